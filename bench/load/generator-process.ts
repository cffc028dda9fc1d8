import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadReport } from './report.ts';

const GENERATOR = fileURLToPath(new URL('main.ts', import.meta.url));

/** Runs one load in a process of its own, so that what it costs is measured apart from everything else. */
export async function runGenerator(load: {
  readonly url: string;
  readonly serverPid: number;
  readonly seconds: number;
  readonly seed: number;
  /** Payments a second of an open loop; undefined: closed loop. */
  readonly ratePerSecond: number | undefined;
  readonly connections?: number;
}): Promise<LoadReport> {
  const args = ['--json', '--url', load.url, '--server-pid', `${load.serverPid}`];
  args.push('--seconds', `${load.seconds}`, '--seed', `${load.seed}`);
  if (load.ratePerSecond !== undefined) args.push('--rate', `${load.ratePerSecond}`);
  if (load.connections !== undefined) args.push('--connections', `${load.connections}`);
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
