/**
 * A record of an entity's history: 24 bytes, six 32-bit words, little-endian.
 *
 *          transaction                          label
 * word 0   id hash, low                         id hash of its transaction, low
 * word 1   id hash, high                        id hash of its transaction, high
 * word 2   event time, seconds since 1970       known-at time, seconds since 1970
 * word 3   bits 0-9 milliseconds, 10-11 kind,   bits 0-9 milliseconds, 10-11 kind,
 *          12 international,                    12 fraud
 *          16-31 merchant category's hash
 * word 4   amount units, low 32 bits            event time of the transaction, seconds
 * word 5   bits 0-11 amount units, high,        bits 0-9 event time, milliseconds
 *          12-31 the other entity's hash
 *
 * The other entity is the terminal in a user's record and the user in a terminal's.
 */
import { ID_HASH_SEEDS, murmur3 } from '../transaction/hash.ts';
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';

export const RECORD_WORDS = 6;
export const RECORD_BYTES = RECORD_WORDS * 4;

export const KIND_TRANSACTION = 0;
export const KIND_LABEL = 1;
/** The first record of a history that has been folded; see fold.ts. */
export const KIND_SUMMARY = 2;

const KIND_SHIFT = 10;
const FLAG_SHIFT = 12;
const MILLISECOND_MASK = 0x3ff;
const AMOUNT_HIGH_MASK = 0xfff;
const TWO_TO_32 = 2 ** 32;

export function kindOf(words: Uint32Array, offset: number): number {
  return (words[offset + 3] >>> KIND_SHIFT) & 3;
}

/** Bit 12: international for a transaction, fraud for a label. */
export function flagOf(words: Uint32Array, offset: number): number {
  return (words[offset + 3] >>> FLAG_SHIFT) & 1;
}

/** Event time of a transaction, known-at time of a label; milliseconds since 1970. */
export function timeMsOf(words: Uint32Array, offset: number): number {
  return words[offset + 2] * 1000 + (words[offset + 3] & MILLISECOND_MASK);
}

export function amountUnitsOf(words: Uint32Array, offset: number): number {
  return words[offset + 4] + (words[offset + 5] & AMOUNT_HIGH_MASK) * TWO_TO_32;
}

export function categoryHashOf(words: Uint32Array, offset: number): number {
  return words[offset + 3] >>> 16;
}

export function counterpartHashOf(words: Uint32Array, offset: number): number {
  return words[offset + 5] >>> 12;
}

/** Event time of the transaction that a label speaks of. */
export function labelledTimeMsOf(words: Uint32Array, offset: number): number {
  return words[offset + 4] * 1000 + (words[offset + 5] & MILLISECOND_MASK);
}

/** Event time of the transaction that the record is or speaks of. */
export function eventTimeMsOf(words: Uint32Array, offset: number): number {
  return kindOf(words, offset) === KIND_LABEL ? labelledTimeMsOf(words, offset) : timeMsOf(words, offset);
}

/** What a label adds to the number of known frauds: 1, or -1 where it takes an earlier label back. */
export function verdictChangeOf(words: Uint32Array, offset: number): number {
  return flagOf(words, offset) === 1 ? 1 : -1;
}

/** Writes the transaction's record to the first six words of `into`. */
export function encodeTransaction(
  transaction: Transaction,
  counterpart: string | undefined,
  into: Uint32Array,
): void {
  const { timestampMs, amountUnits } = transaction;
  encodeHead(into, transaction.transactionId, timestampMs, KIND_TRANSACTION, transaction.isInternational);
  into[3] |= murmur3(transaction.merchantCategory, 0) << 16;
  into[4] = amountUnits % TWO_TO_32;
  const counterpartHash = counterpart === undefined ? 0 : murmur3(counterpart, 0);
  into[5] = Math.floor(amountUnits / TWO_TO_32) | (counterpartHash << 12);
}

/** Writes the label's record to the first six words of `into`. */
export function encodeLabel(label: KnownLabel, into: Uint32Array): void {
  encodeHead(into, label.transactionId, label.knownAtMs, KIND_LABEL, label.isFraud);
  into[4] = Math.floor(label.transactionTimestampMs / 1000);
  into[5] = label.transactionTimestampMs % 1000;
}

function encodeHead(into: Uint32Array, id: string, timeMs: number, kind: number, flag: boolean): void {
  into[0] = murmur3(id, ID_HASH_SEEDS[0]);
  into[1] = murmur3(id, ID_HASH_SEEDS[1]);
  into[2] = Math.floor(timeMs / 1000);
  into[3] = (timeMs % 1000) | (kind << KIND_SHIFT) | (Number(flag) << FLAG_SHIFT);
}
