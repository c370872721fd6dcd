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
  let policy: string | undefined;
  let pin: Uint8Array | undefined;
  let at: number | undefined;
  /** Set while a given pin or time cannot be used: better no verdict than one without it. */
  const faulty = new Set<string>();

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
  const read = (file: File | undefined, use: (bytes: Uint8Array) => void): void => {
    if (file === undefined) return;
    file
      .slice(0, MAX_POLICY_BYTES)
      .arrayBuffer()
      .then((buffer) => use(new Uint8Array(buffer)))
      .catch(() => undefined);
  };
  dropZone('policy', ([file]) => read(file, (bytes) => take(bytes, file?.name ?? '')));
  const pasted = byId('policy-text', HTMLTextAreaElement);
  byId('policy-use', HTMLButtonElement).addEventListener('click', () => {
    // A file that does not end in a newline may have been cut off; a text field loses it for no such reason.
    take(utf8Encode(`${pasted.value.toWellFormed().trimEnd()}\n`), 'The pasted text');
  });

  const pinSummary = byId('pin-summary', HTMLElement);
  const takePin = (bytes: Uint8Array | undefined, from: string): void => {
    pin = bytes;
    faulty.delete('pin');
    try {
      if (bytes === undefined) replace(pinSummary);
      else {
        const { origin, size } = parsePin(bytes);
        replace(
          pinSummary,
          h('p', { class: 'taken' }, `${from}: a head of `, isolated(origin), ` over ${size} entries.`),
        );
      }
    } catch (error) {
      faulty.add('pin');
      replace(pinSummary, fault(`${from} holds no head`, error));
    }
    onChange();
  };
  dropZone('pin', ([file]) => read(file, (bytes) => takePin(bytes, file?.name ?? '')));
  const pinText = byId('pin-text', HTMLTextAreaElement);
  pinText.addEventListener('change', () => {
    const text = pinText.value.toWellFormed();
    takePin(text.trim() === '' ? undefined : utf8Encode(text.endsWith('\n') ? text : `${text}\n`), 'The pasted text');
  });

  const time = byId('at', HTMLInputElement);
  const timeSummary = byId('at-summary', HTMLElement);
  time.addEventListener('change', () => {
    const text = time.value.trim();
    at = parseSeconds(text);
    const isFaulty = text !== '' && at === undefined;
    time.setAttribute('aria-invalid', String(isFaulty));
    if (isFaulty) faulty.add('at');
    else faulty.delete('at');
    replace(timeSummary, isFaulty && h('p', { class: 'fault' }, 'Write it with a zone, like 2026-03-31T23:59:59Z.'));
    onChange();
  });

  return {
    current: () =>
      policy === undefined || faulty.size > 0
        ? undefined
        : { policy, ...(pin !== undefined && { pin }), ...(at !== undefined && { at }) },
  };
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
