import type { LogPosition } from '../../pipeline/event-log.ts';
import type { Entry } from './entry.ts';
import type { Spool } from './spool.ts';

/** What may be handed over at once: little enough for the primary to acknowledge within its deadline. */
const TAIL_BYTES_MAX = 512 * 1024;

type Kept = { readonly entry: Entry; readonly start: LogPosition; readonly end: LogPosition };

/** The newest of what is in the spool, kept in memory too, so that it can be handed over without being read. */
export class SpoolTail {
  readonly #spool: Pick<Spool, 'forwarded' | 'end'>;
  #kept: Kept[] = [];

  constructor(spool: Pick<Spool, 'forwarded' | 'end'>) {
    this.#spool = spool;
  }

  push(kept: Kept): void {
    this.#kept.push(kept);
    let count = 0;
    while (count < this.#kept.length && kept.end - this.#kept[count].start > TAIL_BYTES_MAX) count++;
    if (count > 0) this.#kept.splice(0, count);
  }

  /** Everything before this position has been forwarded. */
  forget(position: LogPosition): void {
    let count = 0;
    while (count < this.#kept.length && this.#kept[count].end <= position) count++;
    if (count > 0) this.#kept.splice(0, count);
  }

  remove(entry: Entry): void {
    this.#kept = this.#kept.filter((kept) => kept.entry !== entry);
  }

  /** All that is not forwarded, if all of it is here: from the cursor to the end, without a gap. */
  rest(): readonly Entry[] | undefined {
    let position = this.#spool.forwarded;
    for (const { start, end } of this.#kept) {
      if (start > position) return undefined;
      position = end;
    }
    return position === this.#spool.end ? this.#kept.map(({ entry }) => entry) : undefined;
  }
}
