#!/usr/bin/env python3
"""verify_corpus.py DIR: the verdict of verify.py on every file of a corpus, one JSON line each."""
import datetime, json, sys
from verify import judge

directory = sys.argv[1]
trusted = open(f'{directory}/policy.txt').read()
for case in json.load(open(f'{directory}/corpus.json')):
    pin = open(f'{directory}/{case["pin"]}').read() if 'pin' in case else None
    at = int(datetime.datetime.fromisoformat(case['at'].replace('Z', '+00:00')).timestamp()) if 'at' in case else None
    print(json.dumps({'name': case['name'], **judge(f'{directory}/{case["file"]}', trusted, pin, at)}))
