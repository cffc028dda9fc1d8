import { readProcessCpuMs } from './process-cpu.ts';

/** Time and CPU that a load took, measured between `begin` and `end`. */
export class Meter {
  readonly #serverPid: number | undefined;
  #begun = { atMs: 0, generatorCpuUs: 0, serverCpuMs: 0 };
  #ended = this.#begun;

  constructor(serverPid: number | undefined) {
    this.#serverPid = serverPid;
  }

  begin(): void {
    this.#begun = this.#read();
  }

  end(): void {
    this.#ended = this.#read();
  }

  get elapsedMs(): number {
    return this.#ended.atMs - this.#begun.atMs;
  }

  get generatorCpuUs(): number {
    return this.#ended.generatorCpuUs - this.#begun.generatorCpuUs;
  }

  /** CPU of the server's process, all its threads; undefined if its pid is not known. */
  get serverCpuUs(): number | undefined {
    if (this.#serverPid === undefined) return undefined;
    return (this.#ended.serverCpuMs - this.#begun.serverCpuMs) * 1_000;
  }

  #read() {
    const { user, system } = process.cpuUsage();
    return {
      atMs: performance.now(),
      generatorCpuUs: user + system,
      serverCpuMs: this.#serverPid === undefined ? 0 : readProcessCpuMs(this.#serverPid),
    };
  }
}
