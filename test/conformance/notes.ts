/** Vectors of `notes/`: signed notes, verifier keys, deterministic signing, signature types that we do not speak. */
import { deepEqual, equal } from 'node:assert/strict';
import { hexEncode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import {
  formatSignerKey,
  formatVerifierKey,
  keyIdBytes,
  makeSignerKey,
  parseSignerKey,
  parseVerifierKey,
  verifierKeyOf,
} from '../../proofs/key.ts';
import { formatNote, formatSignatureLines, type NoteSignature, parseNote, signNote } from '../../proofs/note.ts';
import { openNote } from '../../proofs/open-note.ts';
import {
  bytesOf,
  check,
  type Family,
  type Fields,
  haveFields,
  hexOf,
  isFields,
  judge,
  judgeAll,
  NotUnderstood,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

export const judgeNotes: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (haveFields(cases, 'known_vkeys')) return judgeAll(cases ?? [], judgeNote);
  if (haveFields(cases, 'skey')) return judgeAll(cases ?? [], judgeSigning);
  if (haveFields(cases, 'vkey', 'type', 'text')) return judgeAll(cases ?? [], judgeOtherType);
  if (haveFields(cases, 'vkey', 'expect')) return judgeKeys(content, cases ?? []);
  return undefined;
};

function judgeNote(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const bytes = bytesOf(fields);
    // What can be read of a note that will not open is compared before it is opened.
    if (fields['parsed_text'] !== undefined) equal(parseNote(bytes).text, textOf(fields, 'parsed_text'));
    const unsigned = Array.isArray(fields['verified']) && fields['verified'].length === 0;
    if (unsigned) deepEqual(signers(parseNote(bytes).signatures), expectedSigners(fields, 'unverified'));
    const opened = openNote(bytes, textsOf(fields, 'known_vkeys').map(parseVerifierKey));
    if (fields['signed_text'] !== undefined) equal(opened.text, textOf(fields, 'signed_text'));
    if (fields['verified'] !== undefined) deepEqual(signers(opened.verified), expectedSigners(fields, 'verified'));
    if (fields['unverified'] !== undefined)
      deepEqual(signers(opened.unverified), expectedSigners(fields, 'unverified'));
    deepEqual(formatNote(parseNote(bytes)), new TextDecoder().decode(bytes));
  });
}

function signers(signatures: readonly NoteSignature[]): unknown {
  return signatures.map(({ name, keyId }) => ({ name, id: hexEncode(keyIdBytes(keyId)) }));
}

function expectedSigners(fields: Fields, name: string): unknown {
  const list = fields[name];
  if (!Array.isArray(list) || !list.every(isFields)) throw new NotUnderstood(`no list ${name}`);
  return list.map((item) => ({ name: item['name'], id: item['id'] }));
}

async function judgeKeys(content: Fields, cases: readonly Fields[]): Promise<Verdict[]> {
  const verdicts = await judgeAll(cases, judgeKey);
  const rules = Array.isArray(content['rules']) ? content['rules'] : [];
  const substrings = rules.some((rule) => typeof rule === 'string' && /every proper substring of/.test(rule));
  const subject = cases.find(({ name, expect }) => name === 'PeterNeumann' && expect === 'accept');
  if (!substrings || subject === undefined) return verdicts;
  return [...verdicts, await judgeSubstrings(textOf(subject, 'vkey'))];
}

function judgeKey(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const key = parseVerifierKey(textOf(fields, 'vkey'));
    if (fields['name'] !== undefined) equal(key.name, textOf(fields, 'name'));
    if (fields['key_id'] !== undefined) equal(hexEncode(keyIdBytes(key.keyId)), textOf(fields, 'key_id'));
    if (fields['type'] !== undefined) equal(String(key.type), textOf(fields, 'type'));
    if (fields['public_key_hex'] !== undefined) equal(hexEncode(key.publicKey), textOf(fields, 'public_key_hex'));
    equal(formatVerifierKey(key), textOf(fields, 'vkey'));
  });
}

function judgeSubstrings(vkey: string): Promise<Verdict> {
  return check('every proper substring is refused', () => {
    for (let start = 0; start < vkey.length; start++) {
      for (let end = start; end <= vkey.length; end++) {
        if (end - start < vkey.length) equal(isRefused(vkey.slice(start, end)), true, vkey.slice(start, end));
      }
    }
  });
}

function isRefused(vkey: string): boolean {
  try {
    parseVerifierKey(vkey);
    return false;
  } catch (error) {
    return error instanceof ProofError;
  }
}

function judgeSigning(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => {
    const skey = textOf(fields, 'skey');
    const signer = parseSignerKey(skey);
    equal(formatSignerKey(signer), skey);
    equal(hexEncode(signer.secret), textOf(fields, 'seed_hex'));
    equal(verifierKeyOf(signer).vkey, textOf(fields, 'vkey'));
    if (fields['vkey_type4'] !== undefined) {
      const cosigner = makeSignerKey(signer.name, 4, hexOf(fields, 'seed_hex'));
      equal(verifierKeyOf(cosigner).vkey, textOf(fields, 'vkey_type4'));
    }
    const signature = signNote(textOf(fields, 'text'), signer);
    equal(formatSignatureLines([signature]), textOf(fields, 'signature_line'));
  });
}

/**
 * Types 0x02 and 0x05, whose signatures are not verified here: the note must parse, its signatures be ignored as
 * unknown ones, and the key be refused with the code that says why.
 */
function judgeOtherType(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () => {
    const { signatures } = parseNote(bytesOf(fields));
    try {
      openNote(bytesOf(fields), [parseVerifierKey(textOf(fields, 'vkey'))]);
    } catch (error) {
      if (!(error instanceof ProofError) || error.code !== 'unsupported-key-type') throw error;
      throw new NotUnderstood(`signature type ${textOf(fields, 'type')} (${signatures.length} lines parsed)`);
    }
  });
}
