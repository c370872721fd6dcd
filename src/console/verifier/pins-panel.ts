/**
 * What the auditor brings along: the trust policy, and if they like a head that they kept and a time. Nothing of it is
 * ever taken from the evidence. What cannot be used is said at once, and nothing is verified with it.
 */
import { hexEncode, utf8Decode, utf8Encode } from '../../../proofs/bytes.ts';
import { ProofError } from '../../../proofs/errors.ts';
import { sha256 } from '../../../proofs/hash.ts';
import { parsePin } from '../../../proofs/pin.ts';
import { type Policy, parsePolicy } from '../../../proofs/policy.ts';
import { byId, h, isolated, replace, sentence } from './dom.ts';
import { describeQuorum } from './draw-head.ts';
import { dropZone } from './drop-zone.ts';
import type { Pins } from './protocol.ts';

/** Larger than any policy; a bundle that was dropped on the wrong place is not read. */
const MAX_POLICY_BYTES = 1_048_576;
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

export interface PinsPanel {
  /** Undefined while there is no policy, or something that was given cannot be used. */
  current(): Pins | undefined;
}

export function pinsPanel(onChange: () => void): PinsPanel {
  const policy = policyInput(onChange);
  const pin = pinInput(onChange);
  const at = timeInput(onChange);
  return {
    current: () => {
      const [text, head, seconds] = [policy(), pin(), at()];
      if (text === undefined || head === UNUSABLE || seconds === UNUSABLE) return undefined;
      return { policy: text, ...(head !== undefined && { pin: head }), ...(seconds !== undefined && { at: seconds }) };
    },
  };
}

/** Something was given and cannot be used: better no verdict than one without it. */
const UNUSABLE = 'unusable';

function policyInput(onChange: () => void): () => string | undefined {
  let policy: string | undefined;
  const summary = byId('policy-summary', HTMLElement);
  const take = (bytes: Uint8Array, from: string): void => {
    try {
      const text = utf8Decode(bytes);
      replace(summary, policySummary(parsePolicy(text), from, bytes));
      policy = text;
    } catch (error) {
      policy = undefined;
      replace(summary, fault(`${from} is not a trust policy`, error));
    }
    onChange();
  };
  dropZone('policy', ([file]) => readFile(file, take));
  const pasted = byId('policy-text', HTMLTextAreaElement);
  byId('policy-use', HTMLButtonElement).addEventListener('click', () => {
    // A file that does not end in a newline may have been cut off; a text field loses it for no such reason.
    take(utf8Encode(`${pasted.value.toWellFormed().trimEnd()}\n`), PASTED);
  });
  return () => policy;
}

function pinInput(onChange: () => void): () => Uint8Array | typeof UNUSABLE | undefined {
  let pin: Uint8Array | typeof UNUSABLE | undefined;
  const summary = byId('pin-summary', HTMLElement);
  const take = (bytes: Uint8Array, from: string): void => {
    try {
      const { origin, size } = parsePin(bytes);
      replace(summary, h('p', { class: 'taken' }, `${from}: a head of `, isolated(origin), ` over ${size} entries.`));
      pin = bytes;
    } catch (error) {
      pin = UNUSABLE;
      replace(summary, fault(`${from} holds no head`, error));
    }
    onChange();
  };
  dropZone('pin', ([file]) => readFile(file, take));
  const pasted = byId('pin-text', HTMLTextAreaElement);
  pasted.addEventListener('change', () => {
    const text = pasted.value.toWellFormed();
    if (text.trim() !== '') return take(utf8Encode(text.endsWith('\n') ? text : `${text}\n`), PASTED);
    pin = undefined;
    replace(summary);
    onChange();
  });
  return () => pin;
}

function timeInput(onChange: () => void): () => number | typeof UNUSABLE | undefined {
  let seconds: number | typeof UNUSABLE | undefined;
  const field = byId('at', HTMLInputElement);
  const summary = byId('at-summary', HTMLElement);
  field.addEventListener('change', () => {
    const text = field.value.trim();
    seconds = text === '' ? undefined : (parseSeconds(text) ?? UNUSABLE);
    const isFaulty = seconds === UNUSABLE;
    field.setAttribute('aria-invalid', String(isFaulty));
    replace(summary, isFaulty && h('p', { class: 'fault' }, 'Write it with a zone, like 2026-03-31T23:59:59Z.'));
    onChange();
  });
  return () => seconds;
}

const PASTED = 'The pasted text';

function readFile(file: File | undefined, take: (bytes: Uint8Array, from: string) => void): void {
  if (file === undefined) return;
  file
    .slice(0, MAX_POLICY_BYTES)
    .arrayBuffer()
    // A file that went away since it was chosen reads as an empty one, which is no policy and no head.
    .catch(() => new ArrayBuffer(0))
    .then((buffer) => take(new Uint8Array(buffer), file.name))
    .catch(() => undefined);
}

/** Whole seconds of an RFC 3339 time with a zone. */
function parseSeconds(text: string): number | undefined {
  if (!RFC3339.test(text)) return undefined;
  const ms = Date.parse(text.toUpperCase());
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

function policySummary(policy: Policy, from: string, bytes: Uint8Array): HTMLElement {
  const origins = [...new Set(policy.logs.map(({ key }) => key.name))];
  return h(
    'div',
    { class: 'taken' },
    h('p', {}, h('strong', {}, isolated(from)), ' trusts'),
    h(
      'dl',
      { class: 'examined' },
      h(
        'div',
        {},
        h('dt', {}, origins.length === 1 ? 'Log' : 'Logs'),
        h('dd', {}, ...origins.map((name) => h('p', {}, isolated(name)))),
      ),
      h('div', {}, h('dt', {}, 'Witnesses'), h('dd', {}, isolated(describeQuorum(policy)))),
      h('div', {}, h('dt', {}, 'SHA-256'), h('dd', {}, h('code', {}, hexEncode(sha256(bytes))))),
    ),
  );
}

function fault(what: string, error: unknown): HTMLElement {
  const why = error instanceof ProofError ? error.message : 'it cannot be read';
  return h('p', { class: 'fault', role: 'alert' }, isolated(what), ': ', sentence(why), '.');
}
