/** Small edits of a bundle's files, from which the attacks are made: lines, members of JSON, signatures, counts. */
import { base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson } from '../../proofs/canonical-json.ts';
import { asObject, change, flipCharacter, type Json, textOf } from './tamper.ts';
import { type Files, HEAD_SECONDS, headOf, logKey, openEvent, type World } from './world.ts';

export const EMPTY = new Uint8Array(0);
export const ZERO = { bytes: 9, sha256: '00'.repeat(32) };

export const drop = (at: number) => (all: string[]) => all.filter((_, i) => i !== at);
export const edit = (at: number, change: (line: string) => string) => (all: string[]) =>
  all.map((line, i) => (i === at ? change(line) : line));
export const swap = (a: number, b: number) => (all: string[]) =>
  all.map((line, i) => (i === a ? (all[b] ?? '') : i === b ? (all[a] ?? '') : line));

export function swapProofs(a: number, b: number): (all: string[]) => string[] {
  return (all) => {
    const json = all.map((line) => asObject(JSON.parse(line)));
    const [one, other] = [json[a]?.['proof'] ?? null, json[b]?.['proof'] ?? null];
    return json.map((line, i) =>
      canonicalJson(i === a ? { ...line, proof: other } : i === b ? { ...line, proof: one } : line),
    );
  };
}

export function flipProof(json: Json): void {
  const proof = json['proof'];
  if (!Array.isArray(proof)) return;
  json['proof'] = proof.map((hash, i) => (i === 0 ? flipCharacter(String(hash), 3) : hash));
}

export const setField = (id: string, member: string, value: string) => (json: Json) => {
  asObject(asObject(json['fields'])[id])[member] = value;
};

export const setMember = (name: string, value: number) => (json: Json) => {
  json[name] = value;
};

export const withhold = (id: string) => (json: Json) => {
  delete asObject(json['fields'])[id];
};

export const withholdAll = (json: Json): void => {
  json['fields'] = {};
};

export const erase = (id: string) => (json: Json) => {
  delete asObject(json['fields'])[id];
  json['erased'] = [id];
};

export const copyField = (world: World, index: number, id: string) => (json: Json) => {
  const opening = world.events[index]?.openings.get(id);
  if (opening === undefined) throw new TypeError(`event ${index} has no ${id}`);
  asObject(json['fields'])[id] = { salt: base64Encode(opening.salt), value: opening.value };
  json['withheld'] = (Array.isArray(json['withheld']) ? json['withheld'] : []).filter((other) => other !== id);
};

export const copyPart = (world: World, index: number, part: 'card' | 'entry') => (json: Json) => {
  json[part] = base64Encode(world.events[index]?.[part] ?? EMPTY);
};

export const count =
  (name: string, value: number) =>
  (json: Json): Json => ({
    ...json,
    counts: { ...asObject(json['counts']), [name]: value },
  });

export function drops(json: Json, name: string): Json {
  return Object.fromEntries(Object.entries(asObject(json['files'])).filter(([other]) => other !== name));
}

export function textLine(world: World, index: number): string {
  const event = world.events[index];
  if (event === undefined) throw new TypeError(`no event ${index}`);
  const { entry, card, fields, withheld } = openEvent(event, { only: ['action'] });
  const shown = [...fields].map(([id, { salt, value }]) => [id, { salt: base64Encode(salt), value }]);
  return canonicalJson({
    ...{ index, entry: base64Encode(entry), card: base64Encode(card) },
    ...{ fields: Object.fromEntries(shown), withheld },
  });
}

export function proofLines(files: Files): number {
  return Number(/^proof (\d+)$/m.exec(textOf(files, 'population'))?.[1]);
}

export function resignedHead(good: Files, checkpoint: string): Files {
  return change(good, { resign: true, text: { checkpoint: () => checkpoint } });
}

/** Two lines of one witness, made at two times. */
export function twice(world: World, witness: typeof logKey): string {
  const once = headOf(world, 40, [logKey, witness]);
  const again = headOf(world, 40, [witness], HEAD_SECONDS + 1);
  return once + again.slice(again.lastIndexOf('\n\n') + 2);
}

/** The last signature of a note, one bit of it turned. */
export function flipSignature(note: string): string {
  return flipCharacter(note, note.length - 20);
}

export function rootFlipped(note: string): string {
  const at = note.indexOf('\n', note.indexOf('\n') + 1) + 5;
  return flipCharacter(note, at);
}

export function selectedAsComplete(selected: Files): Files {
  const files = asObject(JSON.parse(textOf(selected, 'manifest.json')))['files'];
  const population = { bytes: 0, sha256: '00'.repeat(32) };
  return change(selected, {
    resign: true,
    manifest: (json) => ({ ...json, mode: 'complete', files: { ...asObject(files), population } }),
  });
}
