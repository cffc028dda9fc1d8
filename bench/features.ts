/**
 * What features cost: microseconds a transaction for recording it in its two histories and for computing the whole
 * catalogue, for reading a history that several processes append to, and the bytes of a user's history. The load is the Fraud Detection Handbook's: 38 days, users with two
 * payments a day, terminals with one.
 *
 *   node bench/features.ts [runs]
 */
import { cpus, loadavg } from 'node:os';
import { FEATURE_NAMES } from '../src/core/features/catalogue.ts';
import { EntityHistory, type HistoryView } from '../src/core/features/entity-history.ts';
import { FeatureVectorizer, REACH_MS } from '../src/core/features/feature-vector.ts';
import { encodeTransaction, RECORD_WORDS } from '../src/core/features/record.ts';
import { SharedHistory } from '../src/core/features/shared-history.ts';
import { leaveOutRepeats } from '../src/core/features/without-repeats.ts';
import type { TerminalId, TransactionId, UserId } from '../src/core/transaction/ids.ts';
import type { Transaction } from '../src/core/transaction/transaction.ts';

const USERS = 1000;
const TERMINALS = 2000;
const DAYS = 38;
const PAYMENTS_PER_USER_DAY = 2;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2018, 3, 1);

const runs = Number(process.argv[2] ?? 7);
const payments = madePayments();
const recordMicroseconds: number[] = [];
const computeMicroseconds: number[] = [];
let userBytes: number[] = [];
for (let run = 0; run <= runs; run++) {
  const { record, compute, bytes } = measure();
  userBytes = bytes;
  if (run === 0) continue; // the engine warms up
  recordMicroseconds.push(record);
  computeMicroseconds.push(compute);
}
console.log(
  `record   ${figure(recordMicroseconds)} µs a transaction, in its user's and its terminal's history`,
);
console.log(`compute  ${figure(computeMicroseconds)} µs a transaction, all ${FEATURE_NAMES.length} features`);
for (const records of [60, 600]) {
  const { whole, repeats } = measureShared(records);
  console.log(
    `read     ${figure(whole)} µs a shared history of ${records} records, ${figure(repeats)} of these for repeats`,
  );
}
console.log(`bytes    ${median(userBytes)} of a median user's history after ${DAYS} days`);
console.log(
  `medians of ${runs} runs (least to most) of ${payments.length} payments; Node ${process.version}, ` +
    `${cpus().length} × ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`,
);

/** Records everything in order and computes in small batches in between, so that each is timed for itself. */
function measure(): { record: number; compute: number; bytes: number[] } {
  const users = Array.from({ length: USERS }, () => new EntityHistory(REACH_MS.user));
  const terminals = Array.from({ length: TERMINALS }, () => new EntityHistory(REACH_MS.terminal));
  const vectorizer = new FeatureVectorizer(FEATURE_NAMES);
  let [recordMs, computeMs] = [0, 0];
  const batch = 1000;
  for (let first = 0; first < payments.length; first += batch) {
    const some = payments.slice(first, first + batch);
    const views: { user: HistoryView; terminal: HistoryView }[] = [];
    const started = performance.now();
    for (const { transaction, user, terminal } of some) {
      const { userId, terminalId } = transaction;
      views.push({
        user: users[user].recordTransaction(transaction, terminalId),
        terminal: terminals[terminal].recordTransaction(transaction, userId),
      });
    }
    const recorded = performance.now();
    for (const [index, { transaction }] of some.entries()) vectorizer.compute(transaction, views[index]);
    recordMs += recorded - started;
    computeMs += performance.now() - recorded;
  }
  return {
    record: (recordMs * 1000) / payments.length,
    compute: (computeMs * 1000) / payments.length,
    bytes: users.map((history) => history.toBytes().length),
  };
}

/** Reading a history as it comes from Redis, and in it the view of the record that was appended last. */
function measureShared(records: number): { whole: number[]; repeats: number[] } {
  const words = new Uint32Array(records * RECORD_WORDS);
  for (let record = 0; record < records; record++) {
    const { transaction } = payments[record];
    encodeTransaction(transaction, transaction.terminalId, words.subarray(record * RECORD_WORDS));
  }
  const bytes = new Uint8Array(words.buffer);
  const rounds = 20_000;
  const time = (work: () => void) => {
    const started = performance.now();
    for (let round = 0; round < rounds; round++) work();
    return ((performance.now() - started) * 1000) / rounds;
  };
  const read = () => new SharedHistory(REACH_MS.user, bytes).viewOf(words, words.length - RECORD_WORDS);
  const leaveOut = () => leaveOutRepeats(words, words.length, REACH_MS.user);
  const [whole, repeats]: [number[], number[]] = [[], []];
  for (let run = 0; run <= runs; run++) {
    const [wholeRun, repeatsRun] = [time(read), time(leaveOut)];
    if (run > 0) whole.push(wholeRun);
    if (run > 0) repeats.push(repeatsRun);
  }
  return { whole, repeats };
}

function madePayments() {
  const random = randomFrom(1);
  const count = USERS * DAYS * PAYMENTS_PER_USER_DAY;
  const times = Array.from({ length: count }, () => START_MS + Math.floor(random() * DAYS * DAY_MS));
  return times.sort().map((timestampMs, index) => {
    const user = Math.floor(random() * USERS);
    const terminal = Math.floor(random() * TERMINALS);
    const transaction: Transaction = {
      transactionId: `transaction-${index}` as TransactionId,
      userId: `user-${user}` as UserId,
      terminalId: `terminal-${terminal}` as TerminalId,
      amountUnits: Math.floor(random() * 2_000_000),
      currency: undefined,
      merchantCategory: random() < 0.5 ? 'grocery' : 'fuel',
      isInternational: random() < 0.1,
      timestampMs,
      metadataJson: undefined,
    };
    return { transaction, user, terminal };
  });
}

function figure(values: readonly number[]): string {
  return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

/** mulberry32: small, and the same payments everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
