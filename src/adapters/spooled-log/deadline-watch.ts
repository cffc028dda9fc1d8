/**
 * Tells when the oldest of what was sent has waited too long. One timer for all: it is set for the oldest, and when it fires
 * and that one has been answered, for the one that is the oldest then.
 */
export class DeadlineWatch {
  readonly #deadlineMs: number;
  readonly #onLate: () => void;
  #sent: readonly { readonly sentAtMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(deadlineMs: number, onLate: () => void) {
    this.#deadlineMs = deadlineMs;
    this.#onLate = onLate;
  }

  /** What waits from now on, oldest first; the list may change meanwhile. */
  follow(sent: readonly { readonly sentAtMs: number }[]): void {
    this.#sent = sent;
    if (this.#timer === undefined && sent.length > 0) this.#set();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #set(): void {
    const [oldest] = this.#sent;
    const leftMs = oldest === undefined ? 0 : oldest.sentAtMs + this.#deadlineMs - performance.now();
    this.#timer = oldest && setTimeout(() => this.#check(), Math.max(1, leftMs));
  }

  /**
   * Answers may lie unread in our sockets, where it is this process that was late: they are read before the second look,
   * as immediates run behind the event loop's poll for input.
   */
  #check(): void {
    if (this.#isLate()) setImmediate(() => this.#decide());
    else this.#set();
  }

  #decide(): void {
    if (this.#timer === undefined) return; // stopped
    this.#timer = undefined;
    if (this.#isLate()) this.#onLate();
    else this.#set();
  }

  #isLate(): boolean {
    const [oldest] = this.#sent;
    return oldest !== undefined && performance.now() - oldest.sentAtMs >= this.#deadlineMs;
  }
}
