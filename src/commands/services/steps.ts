/** Says on standard error what is being done, once it takes longer than a person waits without asking. */
const QUIET_MS = 2_000;
const EVERY_MS = 5_000;

export class Steps implements Disposable {
  #timer: NodeJS.Timeout | undefined;

  /** Begins a step, which ends the one before. */
  begin(text: string): void {
    clearTimeout(this.#timer);
    const startedAtMs = performance.now();
    const say = () => {
      const seconds = Math.round((performance.now() - startedAtMs) / 1000);
      process.stderr.write(`${text} ... (${seconds} s)\n`);
      this.#timer = setTimeout(say, EVERY_MS);
    };
    this.#timer = setTimeout(say, QUIET_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
