/**
 * Text that may hold octets which are no UTF-8 (names and URLs of C2SP tlog-policy), as strings that compare like the
 * octets do: valid UTF-8 becomes its text; anything else becomes one character per octet, the high ones as lone
 * surrogates U+DC80 to U+DCFF, which no valid text contains. So no two octet strings become the same string.
 */
import { utf8Decode, utf8Encode } from './bytes.ts';
import { ProofError } from './errors.ts';

const ESCAPE = 0xdc00;

export function octetsToText(octets: Uint8Array): string {
  try {
    return utf8Decode(octets);
  } catch {
    let text = '';
    for (const octet of octets) text += String.fromCharCode(octet < 0x80 ? octet : ESCAPE + octet);
    return text;
  }
}

/** The inverse; a string that is neither valid text nor such octets is refused with `invalid-utf8`. */
export function textToOctets(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8Encode(text);
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80 && (code < ESCAPE + 0x80 || code > ESCAPE + 0xff)) {
      throw new ProofError('invalid-utf8', 'the text contains a lone surrogate');
    }
    octets[i] = code < 0x80 ? code : code - ESCAPE;
  }
  if (octetsToText(octets) !== text) throw new ProofError('invalid-utf8', 'the octets are UTF-8 and were not read so');
  return octets;
}
