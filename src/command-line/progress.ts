/**
 * Progress of long work, on standard error, of anything longer than two seconds: a line that is rewritten on a terminal, and
 * one every few seconds elsewhere.
 */
const QUIET_MS = 2_000;
const TERMINAL_EVERY_MS = 200;
const ELSEWHERE_EVERY_MS = 5_000;

export class Progress implements Disposable {
  readonly #what: string;
  readonly #startedAtMs = performance.now();
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(what: string) {
    this.#what = what;
  }

  /** @param total undefined where it is not known */
  report(done: number, total: number | undefined, unit: string): void {
    const nowMs = performance.now();
    const everyMs = process.stderr.isTTY ? TERMINAL_EVERY_MS : ELSEWHERE_EVERY_MS;
    if (nowMs - this.#startedAtMs < QUIET_MS || nowMs - this.#shownAtMs < everyMs) return;
    this.#shownAtMs = nowMs;
    this.#isShown = true;
    const seconds = (nowMs - this.#startedAtMs) / 1000;
    const rate = Math.round(done / seconds).toLocaleString('en');
    const share = total ? ` of ${total.toLocaleString('en')} (${Math.floor((100 * done) / total)} %)` : '';
    const text = `${this.#what}: ${done.toLocaleString('en')}${share} ${unit}, ${rate}/s`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#isShown && process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}
