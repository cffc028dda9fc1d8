/**
 * RFC 3339 timestamps, to the millisecond. A time without a zone is refused: it would mean another moment on
 * every machine. Digits past the millisecond are dropped.
 */
export const EARLIEST_TIMESTAMP_MS = Date.UTC(2000, 0, 1);
export const LATEST_TIMESTAMP_MS = Date.UTC(2100, 0, 1);

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

let lastParsed = '';
let lastParsedMs = Number.NaN;

/**
 * Milliseconds since 1970-01-01T00:00:00Z, or NaN if `text` is not an RFC 3339 timestamp with a zone. The last one is kept: a
 * message's time is checked by one and taken by another.
 */
export function parseTimestampMs(text: string): number {
  if (text !== lastParsed) {
    lastParsedMs = parseMs(text);
    lastParsed = text;
  }
  return lastParsedMs;
}

function parseMs(text: string): number {
  if (text.length < 20 || text.length > 40) return Number.NaN;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return Number.NaN;
  const separator = text.charCodeAt(10) | 0x20;
  if (separator !== 0x74) return Number.NaN; // 't'
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  if (!(year >= 100)) return Number.NaN; // Date.UTC takes smaller ones for 19xx
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;

  let index = 19;
  let millisecond = 0;
  if (text[index] === '.') {
    const start = ++index;
    while (isDigit(text.charCodeAt(index))) index++;
    if (index === start) return Number.NaN;
    millisecond = Number(text.slice(start, Math.min(index, start + 3)).padEnd(3, '0'));
  }
  const offsetMs = parseOffsetMs(text, index);
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond) - offsetMs;
}

let lastFormattedMs = Number.NaN;
let lastFormatted = '';

/** The timestamp as it is stored and answered: UTC with milliseconds. Many in a row are the same. */
export function formatTimestamp(timestampMs: number): string {
  if (timestampMs !== lastFormattedMs) {
    lastFormatted = new Date(timestampMs).toISOString();
    lastFormattedMs = timestampMs;
  }
  return lastFormatted;
}

function parseOffsetMs(text: string, index: number): number {
  if ((text.charCodeAt(index) | 0x20) === 0x7a && text.length === index + 1) return 0; // 'z'
  const sign = text[index];
  if ((sign !== '+' && sign !== '-') || text.length !== index + 6 || text[index + 3] !== ':')
    return Number.NaN;
  const hours = digits(text, index + 1, 2);
  const minutes = digits(text, index + 4, 2);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function daysInMonth(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return DAYS_IN_MONTH[month - 1] + (leap ? 1 : 0);
}

function digits(text: string, start: number, count: number): number {
  let value = 0;
  for (let index = start; index < start + count; index++) {
    const code = text.charCodeAt(index);
    if (!isDigit(code)) return Number.NaN;
    value = value * 10 + (code - 0x30);
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
