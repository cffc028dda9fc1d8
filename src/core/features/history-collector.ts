/**
 * Puts a history together again from what a log without an order of its own says: records with their positions, which come
 * in any order and more than once.
 *
 *   position | six words of the record      side by side, as they come; sorted by position at the end
 */
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { encodeLabel, encodeTransaction, RECORD_WORDS } from './record.ts';
import { SharedHistory } from './shared-history.ts';

/** Positions take two words, the low one first. */
const ITEM_WORDS = RECORD_WORDS + 2;
const FIRST_ITEMS = 4;
const TWO_TO_32 = 2 ** 32;

export class HistoryCollector {
  #items = new Uint32Array(FIRST_ITEMS * ITEM_WORDS);
  #count = 0;

  addTransaction(position: number, transaction: Transaction, counterpart: string | undefined): void {
    encodeTransaction(transaction, counterpart, this.#next(position));
  }

  /** @param position undefined where the log's order tells it: right behind what has been added last */
  addLabel(position: number | undefined, label: KnownLabel): void {
    const last = this.#count === 0 ? -1 : this.#positionOf(this.#count - 1);
    encodeLabel(label, this.#next(position ?? last + 1));
  }

  /**
   * The history as a store keeps it, folded.
   * @param reachMs how far back the entity's longest window looks
   */
  toBytes(reachMs: number): Uint8Array {
    const order = Array.from({ length: this.#count }, (_value, item) => item);
    order.sort((one, other) => this.#positionOf(one) - this.#positionOf(other) || one - other);
    const words = new Uint32Array(this.#count * RECORD_WORDS);
    order.forEach((item, place) => {
      const start = item * ITEM_WORDS + 2;
      words.set(this.#items.subarray(start, start + RECORD_WORDS), place * RECORD_WORDS);
    });
    return new SharedHistory(reachMs, new Uint8Array(words.buffer)).toBytes();
  }

  #positionOf(item: number): number {
    return this.#items[item * ITEM_WORDS] + this.#items[item * ITEM_WORDS + 1] * TWO_TO_32;
  }

  /** Room for the record of the next item, its position written. */
  #next(position: number): Uint32Array {
    const start = this.#count * ITEM_WORDS;
    if (start === this.#items.length) {
      const larger = new Uint32Array(2 * start);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#count++;
    this.#items[start] = position % TWO_TO_32;
    this.#items[start + 1] = Math.floor(position / TWO_TO_32);
    return this.#items.subarray(start + 2, start + ITEM_WORDS);
  }
}
