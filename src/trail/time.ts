/** Log times between their number and their text: microseconds since the Unix epoch, RFC 3339 in UTC with six decimals. */

/** `2026-01-08T14:32:07.123456Z`. Years 0000 to 9999. */
export function formatTimeUs(timeUs: number): string {
  const milliseconds = Math.floor(timeUs / 1000);
  const text = new Date(milliseconds).toISOString();
  return `${text.slice(0, -1)}${String(timeUs - milliseconds * 1000).padStart(3, '0')}Z`;
}
