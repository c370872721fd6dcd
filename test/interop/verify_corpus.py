#!/usr/bin/env python3
"""verify_corpus.py DIR: the verdict of verify.py on every file of a corpus, one JSON line each."""
import json, sys
from verify import judge, moment

directory = sys.argv[1]
trusted = open(f'{directory}/policy.txt').read()
for case in json.load(open(f'{directory}/corpus.json')):
    pin = open(f'{directory}/{case["pin"]}').read() if 'pin' in case else None
    verdict = judge(f'{directory}/{case["file"]}', trusted, pin, moment(case.get('at')))
    print(json.dumps({'name': case['name'], **verdict}))
