import { readMainThreadCpuMs, readProcessCpuMs } from './process-cpu.ts';

export type NamedProcess = { readonly name: string; readonly pid: number };

/** CPU of all its threads, and of the one that runs JavaScript. */
export type ProcessCpu = {
  readonly name: string;
  readonly cpuUs: number;
  readonly mainThreadCpuUs: number;
};

/** Time and CPU that a load took, measured between `begin` and `end`. */
export class Meter {
  readonly #serverPid: number | undefined;
  readonly #processes: readonly NamedProcess[];
  #begun: Reading = { atMs: 0, generatorCpuUs: 0, serverCpuMs: 0, processes: [] };
  #ended = this.#begun;

  constructor(serverPid: number | undefined, processes: readonly NamedProcess[] = []) {
    this.#serverPid = serverPid;
    this.#processes = processes;
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

  get processes(): readonly ProcessCpu[] {
    return this.#ended.processes.map((ended, index) => {
      const begun = this.#begun.processes[index]!;
      return {
        name: ended.name,
        cpuUs: ended.cpuUs - begun.cpuUs,
        mainThreadCpuUs: ended.mainThreadCpuUs - begun.mainThreadCpuUs,
      };
    });
  }

  #read(): Reading {
    const { user, system } = process.cpuUsage();
    return {
      atMs: performance.now(),
      generatorCpuUs: user + system,
      serverCpuMs: this.#serverPid === undefined ? 0 : readProcessCpuMs(this.#serverPid),
      processes: this.#processes.map(readProcess),
    };
  }
}

type Reading = {
  readonly atMs: number;
  readonly generatorCpuUs: number;
  readonly serverCpuMs: number;
  readonly processes: readonly ProcessCpu[];
};

/** What has ended uses nothing any more: a load may be there to see its server killed. */
function readProcess({ name, pid }: NamedProcess): ProcessCpu {
  try {
    return {
      name,
      cpuUs: readProcessCpuMs(pid) * 1_000,
      mainThreadCpuUs: readMainThreadCpuMs(pid) * 1_000,
    };
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return { name, cpuUs: Number.NaN, mainThreadCpuUs: Number.NaN };
  }
}
