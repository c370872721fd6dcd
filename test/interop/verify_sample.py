"""The report of a sample, for verify.py, which says what is checked of any bundle. `v` is verify.py as a module.

The signature of a drand round (BLS12-381) cannot be checked with what verify.py stands on: a sample with one is INCOMPLETE.
"""
import math

COMMIT = set('format nonce_hash operator_nonce query range design strata delay drand_round number previous'.split())
REVEAL = set('format commit nonce drand_signature'.split())
GENESIS, PERIOD = 1692803367, 3  # drand quicknet

def size_of(design, n):
    if 'size' in design: return min(design['size'], n)
    if 'rate_bp' in design: return -(-n * design['rate_bp'] // 10000)
    bad, k, chance = -(-n * design['tolerable_bp'] // 10000), design['deviations'], 100 - design['confidence']
    def enough(size):
        few = sum(math.comb(bad, i) * math.comb(n - bad, size - i) for i in range(min(k, size) + 1))
        return 100 * few <= chance * math.comb(n, size)
    high = 1
    while high < n and not enough(high): high *= 2
    if high >= n and (n == 0 or not enough(n)): return n
    low, high = high // 2, min(high, n)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
def draw(v, seed, n, count):
    moved, drawn, counter = {}, [], 0
    for i in range(count):
        while True:
            word = int.from_bytes(v.sha(seed, counter.to_bytes(8, 'big'))[:8], 'big')
            counter += 1
            if word < (1 << 64) - (1 << 64) % (n - i): break
        at = i + word % (n - i)
        drawn.append(moved.get(at, at))
        moved[at] = moved.get(i, i)
    return drawn
def spread(size, strata):
    total, names = sum(strata.values()), sorted(strata, key=lambda name: name.encode('utf-16-be'))
    shares = {name: size * strata[name] // total for name in names}
    left = size - sum(shares.values())
    for name in sorted(names, key=lambda name: -(size * strata[name] % total))[:left]: shares[name] += 1
    return {name: max(1, share) for name, share in shares.items()}
def draw_all(v, commit, seed, strata):
    """What follows from the seed, in the form of sample.json."""
    if commit['strata'] is None:
        parts = [(None, strata.get(None, []), seed, size_of(commit['design'], len(strata.get(None, []))))]
    else:
        counts = {name: len(indices) for name, indices in strata.items()}
        shares = spread(size_of(commit['design'], sum(counts.values())), counts) if counts else {}
        parts = [(name, strata[name], v.sha(v.encode(['countersign/sample-stratum/v1', seed, name])), share)
                 for name, share in shares.items()]
    return [{'name': name, 'population': len(indices), 'drawn': [indices[i] for i in draw(v, own, len(indices), count)]}
            for name, indices, own, count in parts]
def entry(v, related, index, action, form, members):
    sample = related[index]['values']['context']['sample']
    v.need(related[index]['values']['action'] == f'countersign.sample.{action}', 'another action')
    v.need(set(sample) == members and sample['format'] == f'countersign/sample-{action}/v1', form)
    return sample
def actor(event): return event['values']['actor']['id']

def judge(v, report, m, files, checked, related, first, entries, counts, unsure, signed):
    def parsed():
        said = v.parse(files['sample.json'].decode())
        v.need(v.canonical(said) == files['sample.json'] and said['format'] == 'countersign/sample/v1', 'not canonical')
        return said
    said = report.claim('sample', parsed)
    if not said: return
    start, end, at, opened_at = m['range']['start'], m['range']['end'], said['commit'], said['reveal']
    def committed():
        commit = entry(v, related, at, 'commit', 'no commit', COMMIT)
        v.need(commit['query'] == m['query'] and commit['range'] == m['range'], 'another population')
        return v.need(at >= end, 'events that were to come') or commit
    commit = report.claim('commit', committed)
    if not commit: return
    size = at + 1 + commit['delay']
    def revealed():
        reveal = entry(v, related, opened_at, 'reveal', 'no reveal', REVEAL)
        v.need(reveal['commit'] == at and actor(related[at]) == actor(related[opened_at]), 'of another commit')
        hashed = v.sha(v.encode(['countersign/sample-nonce/v1', v.b64(reveal['nonce'])]))
        v.need(hashed == v.b64(commit['nonce_hash']), 'not the nonce that was committed to')
        return v.need(opened_at >= size, 'opened before the head was fixed') or reveal
    reveal = report.claim('reveal', revealed)
    if not reveal: return
    def history():
        index, earlier = commit['previous'], []
        for number in range(commit['number'] - 1, -1, -1):
            before = entry(v, related, index, 'commit', 'no commit', COMMIT)
            v.need(before['number'] == number and actor(related[index]) == actor(related[at]), 'not the one before')
            earlier.append(index)
            index = before['previous']
        commits = {i: e for i, e in related.items() if e['values']['action'] == 'countersign.sample.commit'}
        mine = {i for i, e in commits.items() if i < at and actor(e) == actor(related[at])}
        v.need(index is None and mine == set(earlier), 'commits that are not counted, or not shown')
    report.claim('history', history)
    def head():
        root, proof = v.b64(said['head']['root']), [v.b64(line) for line in said['head']['proof']]
        v.need(said['head']['size'] == size, 'the head of another size')
        v.need(v.extend(size, checked.size, proof, root) == (root, checked.root), 'no beginning of the tree')
        return root
    root = report.claim('head', head)
    parts, round_, signature = [], commit['drand_round'], reveal['drand_signature']
    def drand():
        v.need(round_ is not None and signature is not None, 'commit and reveal do not agree')
        v.need((GENESIS + (round_ - 1) * PERIOD) * 1000000 > related[at]['time'], 'the round was known before')
        parts.append(v.sha(v.b64(signature)))
        raise v.Open('the signature of the drand round was not checked')
    if (round_, signature) != (None, None): report.claim('drand', drand)
    if not root or report.claims.get('drand', ('',))[0] == 'FAIL': return
    def seeded():
        nonces = [v.b64(reveal['nonce']), v.b64(commit['operator_nonce'])]
        seed = v.sha(v.encode(['countersign/sample/v1', v.leaf(related[at]['entry']), root, *nonces, *parts]))
        return v.need(v.b64(said['seed']) == seed, 'another seed') or seed
    seed = report.claim('seed', seeded)
    if not seed: return
    path, sparse = commit['strata'] and v.MEMBERS[commit['strata']], False
    sparse = not m['query']['filters'] and 'occurred' not in m['query'] and path is None
    given, strata, missing = v.ndjson(files['events.ndjson']), {}, []
    def check(line):
        v.need(v.b64(line['entry']) == entries[line['index'] - first], f'event {line["index"]} is another entry')
        return v.check_event(line)
    def classified():
        v.need([line['index'] for line in given] == list(range(start, end)), 'an event is missing, or stands twice')
        for event in map(check, given):
            counts['erased'] += len(event['erased'])
            answer = v.matches(m['query'], event)
            value = v.member(event, path) if answer and path else None
            if answer is None or value is v.HIDDEN and path != 'log.class': unsure.append(event['index'])
            elif answer:
                name = value if isinstance(value, str) else ''
                strata.setdefault(name if path else None, []).append(event['index'])
        return True
    if sparse: strata[None] = list(range(start, end))
    elif not report.claim('events', classified): return
    drawn = draw_all(v, commit, seed, strata)
    report.claim('sample', lambda: v.need(drawn == said['strata'], 'another draw'))
    counts['matched'], mine = sum(map(len, strata.values())), sorted(i for part in drawn for i in part['drawn'])
    def whole():
        lines = given if sparse else [line for line in given if line['index'] in set(mine)]
        v.need([line['index'] for line in lines] == mine, 'a drawn event is missing, or one more is there')
        for event in map(check, lines):
            if event['signature']: report.claim('producer-signatures', lambda: signed(event))
            counts['withheld'] += len(event['withheld'])
            counts['erased'] += len(event['erased']) if sparse else 0
            if event['withheld'] or event['erased'] or event['lost']: missing.append(event['index'])
        return True
    if not report.claim('events', whole): return
    if missing or not mine: report.put('sample', 'INCOMPLETE', f'not shown whole: {missing}' if mine else 'nothing to draw')
