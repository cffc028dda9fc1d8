/**
 * How far one partition is done. Records are handed out in order and become done in any; what may be committed is where the
 * first that is not done stands:
 *
 *     handed out   40 41 42 43 44 45          (offsets; some are missing where the log was compacted)
 *     done         x  x     x                 committable: 42
 */
export class PartitionProgress {
  #committable: number;
  #outstanding: number[] = [];
  #head = 0;
  readonly #done = new Set<number>();

  constructor(start: number) {
    this.#committable = start;
  }

  /** Everything before this offset is done. */
  get committable(): number {
    return this.#committable;
  }

  /** Ascending, also from call to call. */
  handOut(offset: number): void {
    this.#outstanding.push(offset);
  }

  /** There was nothing to hand out before this offset. */
  skipTo(offset: number): void {
    if (this.#head === this.#outstanding.length) this.#committable = Math.max(this.#committable, offset);
  }

  /** Offsets that were not handed out are passed over: they belong to an ownership of the partition that has ended. */
  finish(offset: number): void {
    if (this.#head === this.#outstanding.length || offset < this.#outstanding[this.#head]) return;
    this.#done.add(offset);
    while (this.#head < this.#outstanding.length && this.#done.delete(this.#outstanding[this.#head])) {
      this.#committable = this.#outstanding[this.#head++] + 1;
    }
    this.#forgetDone();
  }

  #forgetDone(): void {
    if (this.#head * 2 < this.#outstanding.length) return;
    this.#outstanding = this.#outstanding.slice(this.#head);
    this.#head = 0;
  }
}
