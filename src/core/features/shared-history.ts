/**
 * A history as it was read from a store that several processes append to: raw bytes, in which records may be repeated
 * (without-repeats.ts). It tells what each record meant when it arrived, the same to everybody who reads it.
 */
import { EntityHistory, type HistoryView } from './entity-history.ts';
import { firstKept, fold, readSummary, summaryWords } from './fold.ts';
import {
  flagOf,
  KIND_LABEL,
  KIND_TRANSACTION,
  kindOf,
  RECORD_BYTES,
  RECORD_WORDS,
  timeMsOf,
} from './record.ts';
import { isSameRecord, leaveOutRepeats } from './without-repeats.ts';

/**
 * Folding stays this many records behind: whoever looks at one of them sees no trace of what was folded after it arrived,
 * and those who look for the record that they have just appended find it.
 */
const BEHIND_WORDS = 64 * RECORD_WORDS;
/** Folding is worth a write once it releases, or leaves out, as many records as this. */
const WORTHWHILE_WORDS = 64 * RECORD_WORDS;

export class SharedHistory {
  readonly #reachMs: number;
  readonly #words: Uint32Array;
  readonly #wordCount: number;
  readonly #rawWordCount: number;
  /** Words before the first record. */
  readonly #headWords: number;

  /**
   * @param reachMs how far back the entity's longest window looks
   * @param bytes as they are in the store; copied
   * @throws RangeError if the bytes are not whole records or end within the tiles
   */
  constructor(reachMs: number, bytes: Uint8Array) {
    const rawWordCount = Math.floor(bytes.length / RECORD_BYTES) * RECORD_WORDS;
    const words = new Uint32Array(rawWordCount);
    if (bytes.length === rawWordCount * 4) new Uint8Array(words.buffer).set(bytes);
    this.#headWords = summaryWords(words, rawWordCount);
    if (bytes.length !== rawWordCount * 4 || this.#headWords > rawWordCount) {
      throw new RangeError(`a history of ${bytes.length} bytes is cut off`);
    }
    this.#reachMs = reachMs;
    this.#words = words;
    this.#rawWordCount = rawWordCount;
    this.#wordCount = leaveOutRepeats(words, rawWordCount, reachMs);
  }

  /**
   * The history right after the transaction arrived whose record is at `at` of `record`.
   * @returns undefined if it is not there
   */
  viewOf(record: Uint32Array, at: number): HistoryView | undefined {
    const own = this.#findLast(record, at, (offset) => kindOf(this.#words, offset) === KIND_TRANSACTION);
    if (own < 0) return undefined;
    return {
      words: this.#words,
      wordCount: own + RECORD_WORDS,
      reachMs: this.#reachMs,
      previousNewestMs: this.#newestMsBefore(own),
      position: this.#positionOf(own),
    };
  }

  /**
   * Where the label stands whose record is at `at` of `label`, or, if it changed nothing, the one that said so before.
   * @returns undefined if neither is there
   */
  positionOfLabel(label: Uint32Array, at: number): number | undefined {
    const words = this.#words;
    let found = this.#findLast(label, at, (offset) => isSameRecord(words, offset, label, at));
    if (found < 0) {
      found = this.#findLast(label, at, (offset) => {
        return kindOf(words, offset) === KIND_LABEL && flagOf(words, offset) === flagOf(label, at);
      });
    }
    return found < 0 ? undefined : this.#positionOf(found);
  }

  /** What to keep instead of the bytes that were read; undefined where that would save little. */
  folded(): Uint8Array | undefined {
    const behind = Math.max(this.#headWords, this.#wordCount - BEHIND_WORDS);
    const isLeftOut = this.#rawWordCount - this.#wordCount >= WORTHWHILE_WORDS;
    if (!isLeftOut && behind - this.#headWords < WORTHWHILE_WORDS) return undefined;
    const older = {
      words: this.#words,
      wordCount: behind,
      newestMs: this.#newestMsBefore(behind),
      reachMs: this.#reachMs,
    };
    const released = firstKept(older, this.#headWords) - this.#headWords;
    if (!isLeftOut && released < WORTHWHILE_WORDS) return undefined;
    const head = released === 0 ? this.#words.subarray(0, behind) : fold(older);
    const folded = new Uint32Array(head.length + this.#wordCount - behind);
    folded.set(head);
    folded.set(this.#words.subarray(behind, this.#wordCount), head.length);
    return new Uint8Array(folded.buffer);
  }

  /** The history as a store keeps it that has it for itself: equal histories have equal bytes. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#words.buffer, 0, this.#wordCount * 4);
    return new EntityHistory(this.#reachMs, bytes).toBytes();
  }

  /** The last one is asked for: an earlier one of the same id, if there is one, was released before it came. */
  #findLast(record: Uint32Array, at: number, isIt: (offset: number) => boolean): number {
    const words = this.#words;
    const low = record[at];
    const high = record[at + 1];
    for (let offset = this.#wordCount - RECORD_WORDS; offset >= this.#headWords; offset -= RECORD_WORDS) {
      if (words[offset] === low && words[offset + 1] === high && isIt(offset)) return offset;
    }
    return -1;
  }

  #newestMsBefore(end: number): number {
    const words = this.#words;
    let { newestMs } = readSummary(words, this.#wordCount);
    for (let offset = this.#headWords; offset < end; offset += RECORD_WORDS) {
      if (kindOf(words, offset) !== KIND_TRANSACTION) continue;
      const timeMs = timeMsOf(words, offset);
      if (timeMs > newestMs) newestMs = timeMs;
    }
    return newestMs;
  }

  #positionOf(offset: number): number {
    const { removedCount } = readSummary(this.#words, this.#wordCount);
    return removedCount + (offset - this.#headWords) / RECORD_WORDS;
  }
}
