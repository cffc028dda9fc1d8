import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { NamedProcess } from './meter.ts';
import type { LoadReport } from './report.ts';

const GENERATOR = fileURLToPath(new URL('main.ts', import.meta.url));

/** Runs one load in a process of its own, so that what it costs is measured apart from everything else. */
export async function runGenerator(load: {
  /** Several: connections take turns at them. */
  readonly url: string | readonly string[];
  readonly serverPid?: number;
  readonly processes?: readonly NamedProcess[];
  readonly seconds: number;
  readonly seed: number;
  /** Payments a second of an open loop; undefined: closed loop. */
  readonly ratePerSecond: number | undefined;
  readonly connections?: number;
  /** Where to write the ids of all right answers. */
  readonly answeredFile?: string;
}): Promise<LoadReport> {
  const args = ['--json', '--seconds', `${load.seconds}`, '--seed', `${load.seed}`];
  for (const url of [load.url].flat()) args.push('--url', url);
  for (const { name, pid } of load.processes ?? []) args.push('--process', `${name}=${pid}`);
  if (load.serverPid !== undefined) args.push('--server-pid', `${load.serverPid}`);
  if (load.ratePerSecond !== undefined) args.push('--rate', `${load.ratePerSecond}`);
  if (load.connections !== undefined) args.push('--connections', `${load.connections}`);
  if (load.answeredFile !== undefined) args.push('--answered', load.answeredFile);
  return JSON.parse(await generatorOutput(args)) as LoadReport;
}

/** Failed or dropped payments end the generator with code 1 and are in its report all the same. */
async function generatorOutput(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, [GENERATOR, ...args])).stdout;
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    if (stdout === undefined || stdout === '') throw error;
    return stdout;
  }
}
