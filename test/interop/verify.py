#!/usr/bin/env python3
"""A second verifier of evidence, which follows docs/formats.md and shares no code with the first.
    verify.py --policy POLICY.txt [--pin HEAD] [--at TIME] FILE      (exit 0 PASS, 1 FAIL, 2 INCOMPLETE)

Standard library, and `cryptography` for Ed25519. ML-DSA-44 lines (type 0x06) are skipped, as they can only add to the
Ed25519 lines; fork proofs need two heads of one size here; reports of samples are for verify_sample.py.
"""
import argparse, base64, datetime, hashlib, io, json, os, re, struct, sys, verify_sample, zipfile, zlib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

class Open(Exception): """It could not be checked. Any other exception: it is false."""
def need(condition, message):
    if not condition: raise ValueError(message)
def b64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, 'not canonical base64')
    return raw
def sha(*parts): return hashlib.sha256(b''.join(parts)).digest()
def leaf(entry): return sha(b'\0', entry)
def node(left, right): return sha(b'\1', left, right)
def moment(text): return text and int(datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp())

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
def item(stream):
    major, n = divmod(stream.read(1)[0], 32)
    if (major, n) == (7, 22): return None
    if n >= 24: n = int.from_bytes(stream.read(1 << n - 24), 'big')
    need(major in (0, 2, 3, 4) and n < 1 << 53, 'CBOR of another profile')
    if major == 4: return [item(stream) for _ in range(n)]
    return n if major == 0 else stream.read(n) if major == 2 else stream.read(n).decode()
def decode(raw):
    value = item(io.BytesIO(raw))
    return need(encode(value) == raw, 'CBOR that is not deterministic') or value

# --- JSON -------------------------------------------------------------------------------------------------------------
def members(items): return need(len(dict(items)) == len(items), 'a member name occurs twice') or dict(items)
def parse(text): return json.loads(text, object_pairs_hook=members)
def canonical(value): return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode()

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
def range_root(low, high, start, leaves, proof):
    """Hash of [low, high): stored nodes, which are perfect subtrees, stand for what is outside, from left to right."""
    width, outside = high - low, high <= start or low >= start + len(leaves)
    if outside and width & width - 1 == 0: return next(proof)
    if width == 1: return leaves[low - start]
    middle = low + split(width)
    return node(range_root(low, middle, start, leaves, proof), range_root(middle, high, start, leaves, proof))

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
    keys, groups, quorum = {}, {}, None
    for line in text.splitlines():
        need(not line.startswith('#countersign'), 'validity of keys is not supported here')
        word = line.split()
        if not word or word[0].startswith('#'): continue
        if word[0] in ('log', 'witness'):
            name, key_id, key = word[1 if word[0] == 'log' else 2].split('+', 2)
            raw = b64(key)
            if raw[0] not in (1, 4): continue
            need(sha(name.encode(), b'\n', raw)[:4].hex() == key_id, 'key id')
            keys[word[0], name, bytes.fromhex(key_id)] = word[1], raw[1:]
        elif word[0] == 'group': groups[word[1]] = {'all': len(word) - 3, 'any': 1}.get(word[2]) or int(word[2]), word[3:]
        else: quorum = word[1]
    return {'keys': keys, 'groups': groups, 'quorum': quorum}
def satisfied(pol, name, by):
    n, members = pol['groups'].get(name, (1, []))
    return name == 'none' or name in by or sum(satisfied(pol, member, by) for member in members) >= n
def check_log_signature(pol, origin, body, sigs):
    mine = [(pol['keys'].get(('log', name, key_id)), sig) for name, key_id, sig in sigs if name == origin]
    need(any(key for key, _ in mine), 'not signed by the log')
    need(all(good(key[1], body.encode(), sig) for key, sig in mine if key), 'bad signature of the log')
class Head:
    """A checkpoint under the pinned policy."""
    def __init__(self, text, pol):
        body, sigs = note(text)
        self.origin, size, root = body[:-1].split('\n')[:3]
        need(re.fullmatch('0|[1-9][0-9]*', size), 'tree size')
        self.size, self.root = int(size), b64(root)
        self.witnesses = {}
        check_log_signature(pol, self.origin, body, sigs)
        for name, key_id, sig in sigs:
            witness, public = pol['keys'].get(('witness', name, key_id), (None, None))
            if not witness: continue
            seconds = int.from_bytes(sig[:8], 'big')
            need(good(public, f'cosignature/v1\ntime {seconds}\n{body}'.encode(), sig[8:]), 'bad cosignature')
            self.witnesses[witness] = min(seconds, self.witnesses.get(witness, seconds))

# --- Events -----------------------------------------------------------------------------------------------------------
def check_event(event):
    entry, values = b64(event['entry']), {}
    label, log_time, producer, seq, card_hash, log_c, signature = decode(entry)
    known = dict(index=event['index'], entry=entry, time=log_time, producer=producer, signed=[producer, seq, card_hash],
                 signature=signature, values=values, erased=event.get('erased', []), withheld=[], card={},
                 lost='contents_lost' in event)
    if known['lost']:
        need(set(event) == {'index', 'entry', 'contents_lost'} and event['contents_lost'] is True, 'lost and not lost')
        return known
    need(set(event) <= {'index', 'entry', 'card', 'fields', 'withheld', 'erased'}, 'unknown member')
    card = b64(event['card'])
    card_label, items = decode(card)
    need((label, card_label) == ('countersign/entry/v1', 'countersign/card/v1') and sha(card) == card_hash, 'another card')
    all_fields = {**dict(items), 'log': log_c}
    for field, opening in event['fields'].items():
        need(field in all_fields, f'no field {field}')
        c = sha(encode(['countersign/field/v1', b64(opening['salt']), field, opening['value']]))
        need(c == all_fields[field], f'event {event["index"]}: field {field} is not what was committed to')
        values[field] = parse(opening['value'])
    gone = event.get('withheld', []) + known['erased']
    need(len(set(gone)) == len(gone) and set(gone) <= set(all_fields) - set(values), 'missing fields')
    return dict(known, card=all_fields, withheld=[f for f in all_fields if f not in values and f not in known['erased']])
RELATED = {f'countersign.{kind}' for kind in ('rule.publish', 'catalogue.publish', 'key.register', 'key.revoke',
                                              'finding.raise', 'finding.acknowledge')}
KNOWN, CONTROL = set('format origin mode asked query scope range size pinned counts files limits'.split()), {'id', 'part', 'mapping'}
MODES = {'complete': {'population'}, 'selected': set(), 'sample': {'population', 'sample.json'}}
HIDDEN = object()
MEMBERS = {'action': 'action', 'actor': 'actor.id', 'class': 'log.class', 'correlation_id': 'correlation_id',
           'outcome': 'outcome.result', 'rule': 'authorization.rule', 'target': 'target.id', 'target_type': 'target.type',
           'tenant': 'tenant'}
def member(event, path):
    steps, missing = path.split('.'), HIDDEN if path == 'log.class' else None  # older entries do not say their class
    if event['lost']: return HIDDEN
    for n in range(len(steps), 0, -1):
        field = '.'.join(steps[:n])
        if field in event['card']:
            value = event['values'].get(field, HIDDEN)
            if value is HIDDEN: return HIDDEN
            for step in steps[n:]: value = value.get(step, missing) if isinstance(value, dict) else missing
            return value
def day(text):
    return datetime.datetime.fromisoformat(text.upper()).astimezone(datetime.timezone.utc).strftime('%Y-%m-%d')
def matches(query, event):
    """True, False, or None where a field that decides is not opened."""
    results = []
    for name, wanted in query['filters'].items():
        if name == 'break_glass':
            said, decision = member(event, 'break_glass'), member(event, 'authorization.decision')
            results.append(said is True or decision == 'bypass' or (None if HIDDEN in (said, decision) else False))
        else:
            value = event['producer'] if name == 'producer' else member(event, MEMBERS[name])
            prefix = lambda w: name == 'action' and w.endswith('.*') and isinstance(value, str) and value.startswith(w[:-1])
            part = lambda w: name == 'rule' and isinstance(value, str) and value.split('#')[0] == w
            results.append(None if value is HIDDEN else any(value == w or prefix(w) or part(w) for w in wanted))
    if 'occurred' in query:
        value, days = member(event, 'occurred_at'), query['occurred']
        results.append(None if value is HIDDEN else isinstance(value, str) and days['from'] <= day(value) <= days['to'])
    return False if False in results else None if None in results else True

# --- Verdicts ---------------------------------------------------------------------------------------------------------
ORDER = ('contents receipt files manifest log-signature witnesses pin inclusion manifest-signature digests population range '
         'commit reveal head drand seed history sample events completeness matches counts related producer-signatures fork').split()
class Report:
    """The first result of a claim that is not a pass decides it for good."""
    def __init__(self): self.claims = {}
    def claim(self, name, step):
        try: result = step()
        except Exception as error:  # whatever a step trips over is the file's fault
            return self.put(name, 'INCOMPLETE' if isinstance(error, Open) else 'FAIL', f'{type(error).__name__}: {error}')
        return self.put(name, 'PASS') or result
    def put(self, name, result, detail=''):
        if self.claims.get(name, ('PASS',))[0] == 'PASS': self.claims[name] = result, detail
    def verdict(self):
        for verdict in ('FAIL', 'INCOMPLETE'):
            for name in ORDER:
                result, detail = self.claims.get(name, (None, None))
                if result == verdict: return {'verdict': verdict, 'claim': name, 'detail': detail}
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
        data, stream = raw[at - info.compress_size:at], zlib.decompressobj(-15)
        if info.compress_type == 8:
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
        need(canonical(m) == files['manifest.json'], 'not canonical')
        need(set(m) - {'control'} == KNOWN and set(m.get('control', CONTROL)) == CONTROL, 'members')
        need(m['format'] == 'countersign/bundle/v1' and m['mode'] in MODES, 'format')
        need(set(m['query']) <= {'filters', 'from_us', 'to_us', 'occurred'}, 'query')
        need(set(m['query']['filters']) <= {*MEMBERS, 'producer', 'break_glass'}, 'unknown filter')
        start, end = m['range']['start'], m['range']['end']
        return need(m['counts']['population'] == end - start and end <= m['size'], 'range') or m
    wanted = {'manifest.json', 'manifest.sig', 'checkpoint', 'events.ndjson', 'related.ndjson', 'policy.txt', 'README.txt'}
    m = report.claim('manifest', manifest_of) if 'manifest.json' in files else None
    if m: wanted |= MODES[m['mode']]
    if m and m['pinned'] is not None: wanted.add('consistency')
    if m or 'manifest.json' not in files:
        report.claim('files', lambda: need(set(files) == wanted, f'missing or extra: {sorted(set(files) ^ wanted)}'))
    checked = judge_head(report, files['checkpoint'].decode(), pol, at) if 'checkpoint' in files else None
    judge_pin(report, checked, pin, pol, files.get('consistency'))
    if not m or not checked or not wanted <= set(files): return
    report.claim('manifest', lambda: need(m['origin'] == checked.origin and m['size'] == checked.size, 'another checkpoint'))
    def signature():
        body, sigs = note(files['manifest.sig'].decode())
        check_log_signature(pol, checked.origin, body, sigs)
        text = f'countersign/bundle/v1\n{checked.origin}\n{base64.b64encode(sha(files["manifest.json"])).decode()}\n'
        need(body == text, 'signature of another manifest')
    report.claim('manifest-signature', signature)
    digests = {n: {'bytes': len(raw), 'sha256': sha(raw).hex()} for n, raw in files.items() if n[:9] != 'manifest.'}
    report.claim('digests', lambda: need(m['files'] == digests, 'other files than the manifest names'))
    if m['size'] != checked.size: return
    (start, end), query, mode = (m['range'][name] for name in ('start', 'end')), m['query'], m['mode']
    low, high, complete = query.get('from_us', 0), query.get('to_us', 1 << 62), mode == 'complete'
    counts = dict(population=end - start, matched=0, withheld=0, erased=0)
    unsure, strange, own, hidden, unknown, shown, keys, revoked = [], [], [], [], [], {}, {}, {}
    def signed(event):
        if event['producer'] not in keys: return unknown.append(event['index'])
        (since, public), until = keys[event['producer']], revoked.get(event['producer'], event['index'])
        message = encode(['countersign/submission/v1', checked.origin, *event['signed']])
        need(since < event['index'] <= until, f'event {event["index"]}: its key was not valid then')
        need(good(public, message, event['signature']), f'event {event["index"]}: the signature does not verify')
    def tally(event):
        answer, action = matches(query, event), event['values'].get('action')
        if event['signature']: report.claim('producer-signatures', lambda: signed(event))
        if event['producer'] == 'countersign' and (action is None or action in RELATED):
            (own if action else hidden).append(event['index'])
        counts['erased'] += len(event['erased'])
        counts['matched'] += answer is True
        counts['withheld'] += len(event['withheld']) if answer else 0
        (unsure if answer is None else strange if not answer else []).append(event['index'])
        return event['index']
    def read_related():
        for line in ndjson(files['related.ndjson']):
            event = proven(line, checked)
            index, action, target = event['index'], str(event['values'].get('action')), event['values'].get('target') or {}
            need(index > max(shown, default=-1), 'out of order')
            need(event['producer'] == 'countersign' and action.startswith('countersign.'), 'none of the log')
            shown[index] = event
            if action == 'countersign.key.revoke' and target.get('id') in keys: revoked.setdefault(target['id'], index)
            if action == 'countersign.key.register' and 'context' in event['values']:
                public = b64(event['values']['context']['public_key'])
                need(target['id'] == f'key_{sha(public).hex()[:32]}', 'the id of another key')
                keys.setdefault(target['id'], (index, public))
    report.claim('related', read_related)
    def population():
        lines = files['population'].decode().split('\n')
        need(lines[0] == 'countersign/population/v1' and lines.pop() == '', 'format')
        first, count, hashes = (int(line.split(' ')[1]) for line in lines[1:4])
        entries = [b64(line) for line in lines[4 + hashes:]]
        run = max(0, start - 1), min(checked.size, end + 1)
        need(len(entries) == count and (first, first + count) == run, 'another run')
        rest, leaves = map(b64, lines[4:4 + hashes]), [leaf(entry) for entry in entries]
        root = range_root(0, checked.size, first, leaves, rest) if checked.size else sha()
        need(root == checked.root and next(rest, None) is None, 'range proof leads elsewhere')
        return first, entries
    def in_range():
        times = [-1] + [decode(entry)[1] for entry in entries]
        for i, (last, time) in enumerate(zip(times, times[1:]), first):
            need(time > last and (low <= time < high) == (start <= i < end), f'entry {i} at the end of the range')
        if end == checked.size: raise Open('the tree ends before the time does')
    def events():
        given, last = ndjson(files['events.ndjson']), -1
        if complete: need([e['index'] for e in given] == list(range(start, end)), 'an event is missing, or stands twice')
        for line in given:
            event = check_event(line) if complete else proven(line, checked)
            if complete: need(event['entry'] == entries[event['index'] - first], f'event {event["index"]} is another entry')
            need(last < event['index'] and start <= event['index'] < end and low <= event['time'] < high, 'out of range')
            last = tally(event)
        if not complete and not given: raise Open('no event is shown')
    if mode != 'selected':
        first, entries = report.claim('population', population) or (0, None)
        if entries is None: return
        report.claim('range', in_range)
    elif not files['events.ndjson']: report.put('range', 'INCOMPLETE', 'no event is shown')
    if mode != 'sample': report.claim('events', events)
    else: verify_sample.judge(sys.modules[__name__], report, m, files, checked, shown, first, entries, counts, unsure, signed)
    if report.claims.get('events', ('FAIL',))[0] == 'FAIL': return
    if mode == 'selected': report.claim('matches', lambda: need(not strange, f'event {strange[:1]} is no match'))
    if unsure: report.put('matches' if mode == 'selected' else 'completeness', 'INCOMPLETE', f'not decided: {unsure}')
    report.claim('counts', lambda: need(counts == m['counts'], f'{counts} counted'))
    if complete: report.claim('related', lambda: need(set(own) <= set(shown), f'missing: {set(own) - set(shown)}'))
    if complete and hidden: report.put('related', 'INCOMPLETE', f'these do not show their action: {hidden}')
    if unknown: report.put('producer-signatures', 'INCOMPLETE', f'no registration of the key for {unknown}')
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
    checked = checkpoint and judge_head(report, checkpoint, pol, at)
    judge_pin(report, checked, pin, pol, None)
    if index is None: return
    entry = extra if event is None else event['entry']
    if entry is None: report.put('inclusion', 'INCOMPLETE', 'no entry')
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
        if event and not event['values']: report.put('contents', 'INCOMPLETE', 'nothing is opened')
        receipt = path.removesuffix('.json') + '.tlog-proof'
        if os.path.exists(receipt): judge_receipt(report, open(receipt).read(), event, pol, pin, at)
        else: report.put('receipt', 'INCOMPLETE', 'there is no receipt')
    else: judge_pin(report, judge_head(report, raw.decode(errors='replace'), pol, at), pin, pol, None)
    return report.verdict()
def main():
    args = argparse.ArgumentParser()
    for name in ('--policy', '--pin', '--at', 'file'): args.add_argument(name)
    args = args.parse_args()
    result = judge(args.file, open(args.policy).read(), args.pin and open(args.pin).read(), moment(args.at))
    return print(json.dumps(result)) or ['PASS', 'FAIL', 'INCOMPLETE'].index(result['verdict'])
if __name__ == '__main__': sys.exit(main())
