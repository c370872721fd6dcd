/** QR codes of short texts, for a terminal and as a picture. The package is loaded only when one is asked for. */
import { CliError } from './errors.ts';

/** A quarter of the code may be missing or dirty. */
const ERROR_CORRECTION = 'Q';
const PIXELS_PER_MODULE = 8;
/** Bytes that the largest code holds at this correction. */
const MAX_BYTES = 1_663;

/** Half blocks with ANSI colours, so that a dark terminal shows it the right way round. */
export async function codeText(content: string): Promise<string> {
  const qrcode = await loadQrCode(content);
  return qrcode.toString(content, { type: 'terminal', small: true, errorCorrectionLevel: ERROR_CORRECTION });
}

export async function codePng(content: string): Promise<Uint8Array> {
  const qrcode = await loadQrCode(content);
  return qrcode.toBuffer(content, { type: 'png', scale: PIXELS_PER_MODULE, errorCorrectionLevel: ERROR_CORRECTION });
}

async function loadQrCode(content: string): Promise<typeof import('qrcode')> {
  if (Buffer.byteLength(content) > MAX_BYTES) {
    throw new CliError('refused', `the head does not fit a QR code: it has more than ${MAX_BYTES} bytes`);
  }
  const { default: qrcode } = await import('qrcode');
  return qrcode;
}
