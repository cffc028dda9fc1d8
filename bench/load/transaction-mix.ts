/**
 * The payments of a load: 10,000 users at 10,000 terminals, eight merchant categories, one payment in ten
 * international, amounts exp(U(2, 7)), that is 7.39 to 1,096.63 with a median of 90. The same seed gives the
 * same payments in the same order; ids carry the run's name, and times are the ones the caller gives.
 */
const USERS = 10_000;
const TERMINALS = 10_000;
const INTERNATIONAL_SHARE = 0.1;
const AMOUNT_LOG_MIN = 2;
const AMOUNT_LOG_MAX = 7;
const MERCHANT_CATEGORIES = [
  'grocery',
  'restaurant',
  'retail',
  'entertainment',
  'travel',
  'utilities',
  'healthcare',
  'education',
] as const;

/** Payments rendered before the load begins; after so many the users and amounts repeat under new ids. */
const RENDERED_PAYMENTS = 65_536;
const SEQUENCE_DIGITS = 9;
const TIMESTAMP_CHARACTERS = '2026-01-01T00:00:00.000Z'.length;

export type PaymentRequest = {
  readonly transactionId: string;
  /** The whole HTTP/1.1 request, ASCII. */
  readonly text: string;
};

/** Gives the request of one payment: its place in the run, and its event time in whole milliseconds. */
export type TransactionMix = (sequence: number, timestampMs: number) => PaymentRequest;

/** `run` becomes the first part of every transaction id, so that no two runs send the same id. */
export function createTransactionMix(options: {
  readonly seed: number;
  readonly run: string;
  readonly url: URL;
}): TransactionMix {
  const idPrefix = `${options.run}-`;
  const payments = renderPayments(options.seed, idPrefix, options.url);
  const formatTimestamp = cachedTimestampFormat();
  return (sequence, timestampMs) => {
    const transactionId = idPrefix + String(sequence).padStart(SEQUENCE_DIGITS, '0');
    const { head, tail } = payments[sequence % RENDERED_PAYMENTS]!;
    return { transactionId, text: `${head}${transactionId}${tail}${formatTimestamp(timestampMs)}"}` };
  };
}

/** A request without its transaction id (between `head` and `tail`) and its timestamp (after `tail`). */
type RenderedPayment = { readonly head: string; readonly tail: string };

function renderPayments(seed: number, idPrefix: string, url: URL): RenderedPayment[] {
  const random = createRandom(seed);
  const bodyStart = '{"transaction_id":"';
  const fixedBytes =
    bodyStart.length + idPrefix.length + SEQUENCE_DIGITS + TIMESTAMP_CHARACTERS + '"}'.length;
  return Array.from({ length: RENDERED_PAYMENTS }, () => {
    const tail = renderMembers(random);
    return { head: renderHead(url, fixedBytes + tail.length) + bodyStart, tail };
  });
}

function renderHead(url: URL, contentLengthBytes: number): string {
  return (
    `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${contentLengthBytes}\r\n\r\n`
  );
}

function renderMembers(random: () => number): string {
  const user = Math.floor(random() * USERS);
  const terminal = Math.floor(random() * TERMINALS);
  const amount = Math.exp(AMOUNT_LOG_MIN + random() * (AMOUNT_LOG_MAX - AMOUNT_LOG_MIN));
  const category = MERCHANT_CATEGORIES[Math.floor(random() * MERCHANT_CATEGORIES.length)];
  const isInternational = random() < INTERNATIONAL_SHARE;
  return (
    `","user_id":"user_${user}","amount":${Math.round(amount * 100) / 100},"merchant_category":"${category}",` +
    `"is_international":${isInternational},"terminal_id":"terminal_${terminal}","timestamp":"`
  );
}

/** Many payments share a millisecond; its text is made once. */
function cachedTimestampFormat(): (timestampMs: number) => string {
  let lastMs = Number.NaN;
  let lastText = '';
  return (timestampMs) => {
    if (timestampMs !== lastMs) {
      lastMs = timestampMs;
      lastText = new Date(timestampMs).toISOString();
    }
    return lastText;
  };
}

/** mulberry32 by Tommy Ettinger (public domain): uniform in [0, 1), 32 bits of state. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
