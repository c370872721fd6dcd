/** Log times between their number and their text: microseconds since the Unix epoch, RFC 3339 in UTC with six decimals. */

const SECOND_US = 1_000_000;

/** The text of the last second that was asked for: the events of a group have one in common. */
const last = { second: Number.NaN, text: '' };

/** `2026-01-08T14:32:07.123456Z`. Years 0000 to 9999. */
export function formatTimeUs(timeUs: number): string {
  const second = Math.floor(timeUs / SECOND_US);
  if (second !== last.second) {
    last.text = new Date(second * 1000).toISOString().slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
    last.second = second;
  }
  return `${last.text}.${String(timeUs - second * SECOND_US).padStart(6, '0')}Z`;
}
