/**
 * What one entity (a user or a terminal) did: its packed history, as every feature store keeps it.
 *
 *   [ summary, tiles ]  record  record  record  ...            24 bytes each, in order of arrival
 *     only once folded  oldest                newest
 *
 * Records are only ever appended. A record's position is its ordinal since the entity was first seen; folding
 * (fold.ts) removes records from the front but moves no position.
 */
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { firstKept, fold, readSummary, summaryWords } from './fold.ts';
import {
  encodeLabel,
  encodeTransaction,
  KIND_TRANSACTION,
  kindOf,
  RECORD_BYTES,
  RECORD_WORDS,
  timeMsOf,
} from './record.ts';
import { isKnownLabel } from './without-repeats.ts';

/** A history as it was right after one of its transactions arrived. Stays as it is while the history goes on. */
export type HistoryView = {
  readonly words: Uint32Array;
  /** Words in use; the last six are the transaction's own record. */
  readonly wordCount: number;
  /** How far back the entity's longest window looks. */
  readonly reachMs: number;
  /** The greatest event time of all transactions before this one; -Infinity for the first. */
  readonly previousNewestMs: number;
  /** Ordinal of the transaction's own record. */
  readonly position: number;
};

/** Room for this many more records is made at once, and folding is tried this often. */
const ROOM_RECORDS = 16;

const scratch = new Uint32Array(RECORD_WORDS);

export class EntityHistory {
  readonly #reachMs: number;
  #words: Uint32Array;
  #wordCount: number;
  #newestMs = Number.NEGATIVE_INFINITY;
  /** Words before the first record. */
  #headWords = 0;
  /** Offset of the first record that folding would keep; only from there on are records known again. */
  #keptWords = 0;
  /** Records that folding has removed: the position of the first record that is still there. */
  #removedCount = 0;

  /**
   * @param reachMs how far back the entity's longest window looks
   * @param bytes a stored history, from `toBytes`; copied
   * @throws RangeError if the bytes are not whole records or end within the tiles
   */
  constructor(reachMs: number, bytes?: Uint8Array) {
    const byteCount = bytes?.length ?? 0;
    this.#reachMs = reachMs;
    this.#wordCount = Math.floor(byteCount / RECORD_BYTES) * RECORD_WORDS;
    this.#words = new Uint32Array(this.#wordCount + ROOM_RECORDS * RECORD_WORDS);
    if (bytes) new Uint8Array(this.#words.buffer).set(bytes);
    this.#readHead();
    if (byteCount % RECORD_BYTES !== 0 || this.#headWords > this.#wordCount) {
      throw new RangeError(`a history of ${byteCount} bytes is cut off`);
    }
    for (let offset = this.#headWords; offset < this.#wordCount; offset += RECORD_WORDS) {
      const isTransaction = kindOf(this.#words, offset) === KIND_TRANSACTION;
      if (isTransaction) this.#newestMs = Math.max(this.#newestMs, timeMsOf(this.#words, offset));
    }
  }

  /**
   * Records a transaction once: one that is still there gets the view of its first arrival, seen through what has been
   * folded since. A store that loses no decision never asks for that view: it has the decision.
   */
  recordTransaction(transaction: Transaction, counterpart: string | undefined): HistoryView {
    encodeTransaction(transaction, counterpart, scratch);
    const existing = this.#findTransaction();
    if (existing >= 0) return this.#viewAt(existing);
    const previousNewestMs = this.#newestMs;
    this.#append();
    this.#newestMs = Math.max(previousNewestMs, transaction.timestampMs);
    return this.#viewOf(this.#words, this.#wordCount, previousNewestMs);
  }

  /**
   * Records a label that changes what was believed.
   * @returns false if it changed nothing, or is a repeat (without-repeats.ts)
   */
  recordLabel(label: KnownLabel): boolean {
    if (label.isFraud === label.previousIsFraud) return false;
    encodeLabel(label, scratch);
    this.#release();
    const there = { from: this.#keptWords, to: this.#wordCount };
    if (isKnownLabel(this.#words, there, scratch, 0)) return false;
    this.#append();
    return true;
  }

  /** The history as stores keep it: folded, so that equal histories have equal bytes. Valid until the next record. */
  toBytes(): Uint8Array {
    this.#release();
    if (this.#keptWords > 0) this.#fold();
    return new Uint8Array(this.#words.buffer, 0, this.#wordCount * 4);
  }

  #append(): void {
    if (this.#wordCount + RECORD_WORDS > this.#words.length) this.#fold();
    this.#words.set(scratch, this.#wordCount);
    this.#wordCount += RECORD_WORDS;
  }

  /** Into a new array: views keep the old one. */
  #fold(): void {
    const folded = fold(this.#foldable());
    this.#words = new Uint32Array(folded.length + ROOM_RECORDS * RECORD_WORDS);
    this.#words.set(folded);
    this.#wordCount = folded.length;
    this.#readHead();
  }

  #foldable() {
    return {
      words: this.#words,
      wordCount: this.#wordCount,
      newestMs: this.#newestMs,
      reachMs: this.#reachMs,
    };
  }

  /** Passes over the records that folding lets go of now, whether or not it has happened. */
  #release(): void {
    this.#keptWords = firstKept(this.#foldable(), this.#keptWords);
  }

  #readHead(): void {
    const summary = readSummary(this.#words, this.#wordCount);
    this.#headWords = summaryWords(this.#words, this.#wordCount);
    this.#keptWords = this.#headWords;
    this.#removedCount = summary.removedCount;
    this.#newestMs = Math.max(this.#newestMs, summary.newestMs);
  }

  /** Offset of the transaction with the id of the one in `scratch`, or -1. */
  #findTransaction(): number {
    this.#release();
    const words = this.#words;
    const wordCount = this.#wordCount;
    const [idLow, idHigh] = scratch;
    for (let offset = this.#keptWords; offset < wordCount; offset += RECORD_WORDS) {
      if (words[offset] !== idLow || words[offset + 1] !== idHigh) continue;
      if (kindOf(words, offset) === KIND_TRANSACTION) return offset;
    }
    return -1;
  }

  /** The view right after the record at `offset` arrived; folded first, so that it does not depend on when. */
  #viewAt(offset: number): HistoryView {
    const wordsFromHere = this.#wordCount - offset;
    if (this.#keptWords > 0) this.#fold();
    const own = this.#wordCount - wordsFromHere;
    let previousNewestMs = readSummary(this.#words, this.#wordCount).newestMs;
    for (let earlier = this.#headWords; earlier < own; earlier += RECORD_WORDS) {
      const isTransaction = kindOf(this.#words, earlier) === KIND_TRANSACTION;
      if (isTransaction) previousNewestMs = Math.max(previousNewestMs, timeMsOf(this.#words, earlier));
    }
    return this.#viewOf(this.#words, own + RECORD_WORDS, previousNewestMs);
  }

  #viewOf(words: Uint32Array, wordCount: number, previousNewestMs: number): HistoryView {
    const position = this.#removedCount + (wordCount - this.#headWords) / RECORD_WORDS - 1;
    return { words, wordCount, reachMs: this.#reachMs, previousNewestMs, position };
  }
}
