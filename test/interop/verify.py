#!/usr/bin/env python3
"""A second verifier of evidence, which follows docs/formats.md and shares no code with the first.
    verify.py --policy POLICY.txt [--pin HEAD] [--at TIME] FILE      (exit 0 PASS, 1 FAIL, 2 INCOMPLETE)

Standard library, and `cryptography` for Ed25519. ML-DSA-44 lines (type 0x06) are skipped: they can only add to what the
Ed25519 lines show. Fork proofs need two heads of one size here.
"""
import argparse, base64, datetime, hashlib, io, json, os, re, struct, sys, zipfile, zlib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

class Open(Exception):
    """It could not be checked. Any other exception: it is false."""
def need(condition, message):
    if not condition: raise ValueError(message)
def b64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, 'not canonical base64')
    return raw
def sha(*parts): return hashlib.sha256(b''.join(parts)).digest()
def leaf(entry): return sha(b'\0', entry)
def node(left, right): return sha(b'\1', left, right)

# --- CBOR (RFC 8949 §4.2.1): unsigned integers, bytes, text, arrays, null ---------------------------------------------
def head(major, n):
    if n < 24: return bytes([major << 5 | n])
    width = next(w for w in (1, 2, 4, 8) if n < 1 << 8 * w)
    return bytes([major << 5 | 23 + width.bit_length()]) + n.to_bytes(width, 'big')
def encode(v):
    if v is None: return b'\xf6'
    if isinstance(v, int): return head(0, v)
    if isinstance(v, bytes): return head(2, len(v)) + v
    if isinstance(v, str): return head(3, len(v.encode())) + v.encode()
    return head(4, len(v)) + b''.join(map(encode, v))
def item(raw, at):
    major, n, at = raw[at] >> 5, raw[at] & 31, at + 1
    if (major, n) == (7, 22): return None, at
    if n >= 24:
        width = 1 << n - 24
        n, at = int.from_bytes(raw[at:at + width], 'big'), at + width
    if major == 0: return n, at
    if major == 2: return raw[at:at + n], at + n
    if major == 3: return raw[at:at + n].decode(), at + n
    need(major == 4 and n <= len(raw), 'CBOR of another profile')
    items = []
    for _ in range(n):
        value, at = item(raw, at)
        items.append(value)
    return items, at
def decode(raw):
    value, end = item(raw, 0)
    need(end == len(raw) and encode(value) == raw, 'CBOR that is not deterministic')
    return value

# --- JSON -------------------------------------------------------------------------------------------------------------
def pairs(items): return need(len({k for k, _ in items}) == len(items), 'a member name occurs twice') or dict(items)
def parse(text): return json.loads(text, object_pairs_hook=pairs)

# --- Trees (RFC 6962) -------------------------------------------------------------------------------------------------
def split(n): return 1 << (n - 1).bit_length() - 1
def climb(index, size, h, proof):
    if size == 1: return need(not proof, 'inclusion proof too long') or h
    need(proof, 'inclusion proof too short')
    k, rest = split(size), proof[:-1]
    return node(climb(index, k, h, rest), proof[-1]) if index < k else node(proof[-1], climb(index - k, size - k, h, rest))
def check_inclusion(index, size, leaf_hash, proof, root):
    need(index < size and climb(index, size, leaf_hash, proof) == root, 'inclusion proof leads elsewhere')
def extend(m, n, proof, first):
    """Both roots by the recursion of RFC 6962 §2.1.2; `first` is None once it no longer stands for the whole."""
    if m == n:
        need(len(proof) == (first is None), 'consistency proof of another length')
        return (first or proof[0],) * 2
    need(proof, 'consistency proof too short')
    k = split(n)
    old, new = extend(m, k, proof[:-1], first) if m <= k else extend(m - k, n - k, proof[:-1], None)
    return (old, node(new, proof[-1])) if m <= k else (node(proof[-1], old), node(proof[-1], new))
def cover(start, end):
    """The stored nodes (level, index) that cover the leaves [start, end), left to right."""
    while start < end:
        level = 0
        while start % (2 << level) == 0 and start + (2 << level) <= end: level += 1
        yield level, start >> level
        start += 1 << level
def check_range(start, leaves, size, proof, root):
    before, after = list(cover(0, start)), list(cover(start + len(leaves), size))
    need(start + len(leaves) <= size and len(proof) == len(before) + len(after), 'range proof of another length')
    nodes = [(l, h) for (l, _), h in zip(before, proof)]
    for level, h in [(0, h) for h in leaves] + [(l, h) for (l, _), h in zip(after, proof[len(before):])]:
        nodes.append((level, h))
        while len(nodes) > 1 and nodes[-1][0] == nodes[-2][0]:
            nodes[-2:] = [(nodes[-1][0] + 1, node(nodes[-2][1], nodes[-1][1]))]
    h = nodes.pop()[1] if nodes else sha()
    while nodes: h = node(nodes.pop()[1], h)
    need(h == root, 'range proof leads elsewhere')

# --- Notes, keys, policies --------------------------------------------------------------------------------------------
def note(text):
    need(text.endswith('\n') and '\n\n' in text, 'not a note')
    body, sigs = text[:text.rindex('\n\n') + 1], []
    for line in text[len(body) + 1:-1].split('\n'):
        dash, name, sig = line.split(' ')
        need(dash == '\u2014', 'not a signature line')
        sigs.append((name, b64(sig)[:4], b64(sig)[4:]))
    return body, sigs
def good(public, message, signature):
    try: return Ed25519PublicKey.from_public_bytes(public).verify(signature, message) is None
    except InvalidSignature: return False
def policy(text):
    result = {'logs': [], 'witnesses': [], 'groups': {}, 'quorum': None}
    for line in text.splitlines():
        word = line.split()
        need(not line.startswith('#countersign'), 'validity of keys is not supported here')
        if not word or word[0].startswith('#'): continue
        if word[0] in ('log', 'witness'):
            name, key_id, key = word[1 if word[0] == 'log' else 2].split('+', 2)
            raw = b64(key)
            entry = (word[1], name, bytes.fromhex(key_id), raw[0], raw[1:])
            if raw[0] in (1, 4): need(sha(name.encode(), b'\n', raw)[:4] == entry[2], 'key id')
            result['logs' if word[0] == 'log' else 'witnesses'].append(entry)
        elif word[0] == 'group':
            result['groups'][word[1]] = ({'all': len(word) - 3, 'any': 1}.get(word[2]) or int(word[2]), word[3:])
        else: result['quorum'] = word[1]
    return result
def satisfied(pol, name, by):
    if name == 'none' or name in by: return True
    n, members = pol['groups'].get(name, (1, []))
    return len([m for m in members if satisfied(pol, m, by)]) >= n
class Head:
    """A checkpoint under the pinned policy."""
    def __init__(self, text, pol):
        body, sigs = note(text)
        self.origin, size, root = body[:-1].split('\n')[:3]
        need(re.fullmatch('0|[1-9][0-9]*', size), 'tree size')
        self.size, self.root = int(size), b64(root)
        keys, signed, self.witnesses = [k for k in pol['logs'] if k[1] == self.origin], False, {}
        for name, key_id, sig in sigs:
            for _, _, _, kind, public in [k for k in keys if (k[1], k[2]) == (name, key_id) and k[3] == 1]:
                need(good(public, body.encode(), sig), 'bad signature of the log')
                signed = True
            for w, _, _, kind, public in [k for k in pol['witnesses'] if (k[1], k[2]) == (name, key_id) and k[3] == 4]:
                seconds = int.from_bytes(sig[:8], 'big')
                message = f'cosignature/v1\ntime {seconds}\n{body}'.encode()
                need(good(public, message, sig[8:]), 'bad cosignature')
                self.witnesses[w] = min(seconds, self.witnesses.get(w, seconds))
        need(signed, 'not signed by the log')

# --- Events -----------------------------------------------------------------------------------------------------------
def check_event(event):
    need(set(event) <= {'index', 'entry', 'card', 'fields', 'withheld', 'erased'}, 'unknown member')
    entry, card = b64(event['entry']), b64(event['card'])
    label, log_time, producer, _, card_hash, log_c, _ = decode(entry)
    card_label, items = decode(card)
    need((label, card_label) == ('countersign/entry/v1', 'countersign/card/v1') and sha(card) == card_hash, 'another card')
    values, all_fields = {}, {**dict(items), 'log': log_c}
    for field, opening in event['fields'].items():
        need(field in all_fields, f'no field {field}')
        c = sha(encode(['countersign/field/v1', b64(opening['salt']), field, opening['value']]))
        need(c == all_fields[field], f'event {event["index"]}: field {field} is not what was committed to')
        values[field] = parse(opening['value'])
    gone = event.get('withheld', []) + event.get('erased', [])
    need(len(set(gone)) == len(gone) and all(f in all_fields and f not in values for f in gone), 'missing fields')
    erased = event.get('erased', [])
    return dict(index=event['index'], entry=entry, time=log_time, producer=producer, card=all_fields, values=values,
                erased=erased, withheld=[f for f in all_fields if f not in values and f not in erased])
HIDDEN = object()
MEMBERS = {'action': 'action', 'actor': 'actor.id', 'class': 'log.class', 'correlation_id': 'correlation_id',
           'outcome': 'outcome.result', 'rule': 'authorization.rule', 'target': 'target.id', 'target_type': 'target.type', 'tenant': 'tenant'}
def member(event, path):
    steps, missing = path.split('.'), HIDDEN if path == 'log.class' else None  # older entries do not say their class
    for n in range(len(steps), 0, -1):
        field = '.'.join(steps[:n])
        if field in event['card']:
            if field not in event['values']: return HIDDEN
            value = event['values'][field]
            for step in steps[n:]: value = value.get(step, missing) if isinstance(value, dict) else missing
            return value
def day(text):
    return datetime.datetime.fromisoformat(text.upper()).astimezone(datetime.timezone.utc).strftime('%Y-%m-%d')
def matches(query, event):
    """True, False, or None where a field that decides is not opened."""
    results = []
    for name, wanted in query['filters'].items():
        if name == 'producer': results.append(event['producer'] in wanted)
        elif name == 'break_glass':
            said, decision = member(event, 'break_glass'), member(event, 'authorization.decision')
            results.append(said is True or decision == 'bypass' or (None if HIDDEN in (said, decision) else False))
        else:
            value = member(event, MEMBERS[name])
            prefix = lambda w: name == 'action' and w.endswith('.*') and isinstance(value, str) and value.startswith(w[:-1])
            results.append(None if value is HIDDEN else any(value == w or prefix(w) for w in wanted))
    if 'occurred' in query:
        value, days = member(event, 'occurred_at'), query['occurred']
        results.append(None if value is HIDDEN else isinstance(value, str) and days['from'] <= day(value) <= days['to'])
    return False if False in results else None if None in results else True

# --- Verdicts ---------------------------------------------------------------------------------------------------------
class Report:
    def __init__(self): self.claims = []
    def claim(self, name, step):
        if any(n == name and r != 'pass' for n, r, _ in self.claims): return None
        try:
            result = step()
            self.claims = [c for c in self.claims if c[0] != name] + [(name, 'pass', '')]
            return result
        except Exception as error:  # whatever a step trips over is the file's fault
            self.claims.append((name, 'incomplete' if isinstance(error, Open) else 'fail', f'{type(error).__name__}: {error}'))
    def verdict(self):
        for verdict, result in (('FAIL', 'fail'), ('INCOMPLETE', 'incomplete')):
            for name, r, detail in self.claims:
                if r == result: return {'verdict': verdict, 'claim': name, 'detail': detail}
        return {'verdict': 'PASS' if self.claims else 'INCOMPLETE'}
def judge_head(report, text, pol, at):
    checked = report.claim('log-signature', lambda: Head(text, pol))
    if checked:
        by = {w for w, s in checked.witnesses.items() if at is None or s <= at}
        report.claim('witnesses', lambda: need(satisfied(pol, pol['quorum'], by), 'quorum not met'))
    return checked
def judge_pin(report, checked, pin, pol, consistency):
    def step():
        held = Head(pin, pol)
        if held.size > checked.size: raise Open('older than the pinned head')
        if held.size == checked.size: return need(held.root == checked.root, 'fork')
        lines = consistency.decode().split('\n')[:-1] if consistency else []
        if lines[1:3] != [f'from {held.size}', f'to {checked.size}']: raise Open('no consistency proof')
        need(held.size > 0, 'a head of nothing')
        roots = extend(held.size, checked.size, [b64(line) for line in lines[3:]], held.root)
        need(roots == (held.root, checked.root), 'consistency proof leads elsewhere')
    if pin is not None and checked: report.claim('pin', step)
def ndjson(raw):
    need(raw == b'' or raw.endswith(b'\n'), 'cut off')
    return [parse(line) for line in raw.decode().split('\n')[:-1]]
def proven(line, checked):
    event = check_event(line['event'])
    check_inclusion(event['index'], checked.size, leaf(event['entry']), [b64(p) for p in line['proof']], checked.root)
    return event
def read_zip(raw):
    """zipfile is lenient; the structure has to account for every byte before it is asked (docs/formats.md)."""
    size, start = struct.unpack('<II', raw[-10:-2])
    need(raw[-22:-18] == b'PK\5\6' and raw[-2:] == b'\0\0' and start + size == len(raw) - 22, 'no directory at the end')
    archive, files, at = zipfile.ZipFile(io.BytesIO(raw)), {}, 0
    need(len(archive.infolist()) <= 16, 'too many files')
    for info in archive.infolist():
        name_bytes, extra_bytes = struct.unpack('<HH', raw[at + 26:at + 30])
        name = raw[at + 30:at + 30 + name_bytes].decode()
        need(info.header_offset == at and name == info.orig_filename, 'hidden bytes or another name')
        need(extra_bytes == 0 and info.flag_bits & ~0x808 == 0 and not info.comment, 'flags, extras or comments')
        need(info.external_attr >> 28 in (0, 8) and re.fullmatch('[A-Za-z][A-Za-z0-9._-]*', name), f'no plain file: {name}')
        need(name not in files, f'{name} stands twice')
        need(info.file_size < 1 << 20 or info.file_size <= 100 * info.compress_size, 'zip bomb')
        at += 30 + name_bytes + info.compress_size
        data = raw[at - info.compress_size:at]
        if info.compress_type == 8:
            stream = zlib.decompressobj(-15)
            data = stream.decompress(data, info.file_size + 1)
            need(stream.eof and not stream.unused_data, 'does not inflate')
        need(len(data) == info.file_size and zlib.crc32(data) == info.CRC, f'{name} is damaged')
        files[name], at = data, at + (16 if info.flag_bits & 8 else 0)
    need(at == start, 'hidden bytes')
    return files
def judge_bundle(report, raw, pol, pin, at):
    files = report.claim('files', lambda: read_zip(raw))
    if files is None: return
    def manifest_of():
        m = parse(files['manifest.json'].decode())
        need(json.dumps(m, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode() == files['manifest.json'], 'not canonical')
        known = {'format', 'origin', 'mode', 'asked', 'query', 'scope', 'range', 'size', 'pinned', 'counts', 'files', 'limits'}
        need(set(m) == known and m['format'] == 'countersign/bundle/v1' and m['mode'] in ('complete', 'selected'), 'format')
        need(set(m['query']) <= {'filters', 'from_us', 'to_us', 'occurred'}, 'filter')
        need(set(m['query']['filters']) <= {*MEMBERS, 'producer', 'break_glass'}, 'unknown filter')
        need(m['counts']['population'] == m['range']['end'] - m['range']['start'] and m['range']['end'] <= m['size'], 'range')
        return m
    wanted = {'manifest.json', 'manifest.sig', 'checkpoint', 'events.ndjson', 'related.ndjson', 'policy.txt', 'README.txt'}
    m = report.claim('manifest', manifest_of) if 'manifest.json' in files else None
    if m is None: report.claim('files', lambda: need('manifest.json' in files, 'missing manifest.json'))
    else:
        wanted |= {n for n, there in (('population', m['mode'] == 'complete'), ('consistency', m['pinned'] is not None)) if there}
        report.claim('files', lambda: need(set(files) == wanted, f'missing or extra: {sorted(set(files) ^ wanted)}'))
    checked = judge_head(report, files['checkpoint'].decode(), pol, at) if 'checkpoint' in files else None
    judge_pin(report, checked, pin, pol, files.get('consistency'))
    if not m or not checked or not wanted <= set(files): return
    report.claim('manifest', lambda: need(m['origin'] == checked.origin and m['size'] == checked.size, 'another checkpoint'))
    def signature():
        body, sigs = note(files['manifest.sig'].decode())
        keys = [k for k in pol['logs'] if k[1] == checked.origin and k[3] == 1]
        mine = [(k[4], sig) for name, key_id, sig in sigs for k in keys if (k[1], k[2]) == (name, key_id)]
        need(mine and all(good(public, body.encode(), sig) for public, sig in mine), 'not signed by the log')
        need(body.split('\n')[:2] == ['countersign/bundle/v1', checked.origin] and body.count('\n') == 3, 'another text')
        need(b64(body.split('\n')[2]) == sha(files['manifest.json']), 'signature of another manifest')
    report.claim('manifest-signature', signature)
    for name, digest in m['files'].items():
        report.claim('digests', lambda: need(name in wanted and digest == {'bytes': len(files[name]), 'sha256': sha(files[name]).hex()}, name))
    report.claim('digests', lambda: need(set(m['files']) == wanted - {'manifest.json', 'manifest.sig'}, 'files'))
    if m['size'] != checked.size: return
    start, end, query = m['range']['start'], m['range']['end'], m['query']
    low, high = query.get('from_us', 0), query.get('to_us', 1 << 62)
    counts = dict(population=end - start, matched=0, withheld=0, erased=0)
    unsure, strange = [], []
    def tally(event):
        answer = matches(query, event)
        counts['erased'] += len(event['erased'])
        counts['matched'] += answer is True
        counts['withheld'] += len(event['withheld']) if answer else 0
        (unsure if answer is None else strange if not answer else []).append(event['index'])
        return event['index']
    def population():
        lines = files['population'].decode().split('\n')
        need(lines[0] == 'countersign/population/v1' and lines.pop() == '', 'format')
        first, count, hashes = (int(line.split(' ')[1]) for line in lines[1:4])
        entries = [b64(line) for line in lines[4 + hashes:]]
        run = max(0, start - 1), min(checked.size, end + 1)
        need(len(entries) == count and (first, first + count) == run, 'another run')
        check_range(first, [leaf(e) for e in entries], checked.size, [b64(line) for line in lines[4:4 + hashes]], checked.root)
        return first, entries
    def in_range():
        times = [-1] + [decode(entry)[1] for entry in entries]
        for i, (last, time) in enumerate(zip(times, times[1:]), first):
            need(time > last and (low <= time < high) == (start <= i < end), f'entry {i} at the end of the range')
        if end == checked.size: raise Open('the tree ends before the time does')
    def events_complete():
        given = ndjson(files['events.ndjson'])
        need([e['index'] for e in given] == list(range(start, end)), 'an event is missing, or stands twice')
        for event in given:
            need(b64(event['entry']) == entries[event['index'] - first], f'event {event["index"]} is another entry')
            tally(check_event(event))
    def events_selected():
        last = -1
        for line in ndjson(files['events.ndjson']):
            event = proven(line, checked)
            need(event['index'] > last and start <= event['index'] < end and low <= event['time'] < high, 'out of range')
            last = tally(event)
        if last < 0: raise Open('no event is shown')
    def evaluated():
        if m['mode'] == 'selected': need(not strange, f'event {strange[:1]} is no match')
        if unsure: raise Open(f'complete except these: {unsure}')
    if m['mode'] == 'complete':
        first, entries = report.claim('population', population) or (0, None)
        if entries is None: return
        report.claim('range', in_range)
        report.claim('events', events_complete)
        report.claim('completeness', evaluated)
    else:
        if not files['events.ndjson']: report.claims.append(('range', 'incomplete', 'no event is shown'))
        report.claim('events', events_selected)
        report.claim('matches', evaluated)
    if not any(n == 'events' and r == 'fail' for n, r, _ in report.claims):
        report.claim('counts', lambda: need(counts == m['counts'], f'{counts} counted'))
    def related():
        last = -1
        for line in ndjson(files['related.ndjson']):
            event = proven(line, checked)
            need(event['index'] > last and str(event['values'].get('action')).startswith('countersign.'), 'none of the log')
            last = event['index']
    report.claim('related', related)
def judge_receipt(report, text, event, pol, pin, at):
    def parsed():
        top, checkpoint = text.split('\n\n', 1)
        lines = top.split('\n')
        need(lines.pop(0) == 'c2sp.org/tlog-proof@v1', 'format')
        extra = b64(lines.pop(0)[6:]) if lines[0].startswith('extra ') else None
        index = int(lines.pop(0).split(' ')[1])
        if event is not None:
            need(index == event['index'] and extra in (None, event['entry']), 'the receipt of another event')
        return index, extra, [b64(line) for line in lines], checkpoint
    index, extra, proof, checkpoint = report.claim('receipt', parsed) or (None, None, None, None)
    if index is None: return
    checked = judge_head(report, checkpoint, pol, at)
    judge_pin(report, checked, pin, pol, None)
    entry = extra if event is None else event['entry']
    if entry is None: report.claims.append(('inclusion', 'incomplete', 'no entry'))
    elif checked: report.claim('inclusion', lambda: check_inclusion(index, checked.size, leaf(entry), proof, checked.root))
def judge_fork(report, text, pol):
    def step():
        top, *parts = text.split('\n\n')
        need(top == 'countersign/fork-proof/v1' and len(parts) == 4, 'not two heads of one size')
        one, two = Head(f'{parts[0]}\n\n{parts[1]}\n', pol), Head(f'{parts[2]}\n\n{parts[3]}', pol)
        need(one.origin == two.origin and one.size == two.size and one.root != two.root, 'no fork')
    report.claim('fork', step)
def judge(path, policy_text, pin=None, at=None):
    report, raw, pol = Report(), open(path, 'rb').read(), policy(policy_text)
    if raw[:2] == b'PK': judge_bundle(report, raw, pol, pin, at)
    elif raw.startswith(b'c2sp.org/tlog-proof'): judge_receipt(report, raw.decode(), None, pol, pin, at)
    elif raw.startswith(b'countersign/fork-proof'): judge_fork(report, raw.decode(), pol)
    elif raw[:1] == b'{':
        event = report.claim('contents', lambda: check_event(parse(raw.decode())))
        if event and not event['values']: report.claims.append(('contents', 'incomplete', 'nothing is opened'))
        receipt = path.removesuffix('.json') + '.tlog-proof'
        if os.path.exists(receipt): judge_receipt(report, open(receipt).read(), event, pol, pin, at)
        else: report.claims.append(('receipt', 'incomplete', 'there is no receipt'))
    else: judge_pin(report, judge_head(report, raw.decode(errors='replace'), pol, at), pin, pol, None)
    return report.verdict()
def main():
    args = argparse.ArgumentParser()
    for name in ('--policy', '--pin', '--at', 'file'): args.add_argument(name)
    args = args.parse_args()
    at = None if args.at is None else int(datetime.datetime.fromisoformat(args.at.replace('Z', '+00:00')).timestamp())
    result = judge(args.file, open(args.policy).read(), open(args.pin).read() if args.pin else None, at)
    return print(json.dumps(result)) or {'PASS': 0, 'FAIL': 1, 'INCOMPLETE': 2}[result['verdict']]
if __name__ == '__main__': sys.exit(main())
