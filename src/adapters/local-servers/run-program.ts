import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ProgramFailedError } from './local-server-errors.ts';

const execute = promisify(execFile);
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const QUOTED_CHARACTERS_MAX = 2_000;

export type RunOptions = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly withinMs?: number;
};

/** Runs a program to its end. @returns what it printed. @throws ProgramFailedError quoting the end of what it said */
export async function runProgram(
  program: string,
  words: readonly string[],
  { environment = {}, withinMs = 0 }: RunOptions = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, words, {
      env: { ...process.env, ...environment },
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: withinMs,
    });
    return stdout;
  } catch (error) {
    const { code, signal, stdout = '', stderr = '' } = error as Failure;
    const said = `${stdout}\n${stderr}`.trim().slice(-QUOTED_CHARACTERS_MAX);
    const ending = signal ? `was ended by ${signal}` : `ended with ${code}`;
    throw new ProgramFailedError(`${program} ${words[0] ?? ''} ${ending}: ${said}`, { cause: error });
  }
}

type Failure = Error & {
  readonly code?: number | string;
  readonly signal?: string;
  readonly stdout?: string;
  readonly stderr?: string;
};
