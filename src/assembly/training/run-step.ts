import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, join, relative } from 'node:path';
import { ROOT } from '../engine-options.ts';

/** A step of the training ended badly; it has said why itself. */
export class StepFailedError extends Error {
  readonly code = 'step-failed';
}

const STDERR = 2;

/** Runs a program, after printing what it is; all that it says goes to standard error. @throws StepFailedError */
export async function runStep(program: string, words: readonly string[]): Promise<void> {
  const shown = [
    basename(program),
    ...words.map((word) => (word.startsWith('/') ? relative('.', word) : shortened(word))),
  ];
  process.stderr.write(`> ${shown.join(' ')}\n`);
  const child = spawn(program, words, { stdio: ['ignore', STDERR, STDERR] });
  const [code, signal] = await Promise.race([once(child, 'exit'), failure(child, program)]);
  if (code === 0) return;
  throw new StepFailedError(`${shown.slice(0, 3).join(' ')} ... ended with ${signal ?? `exit code ${code}`}`);
}

/** Runs one of our own verbs as a step. @throws StepFailedError */
export async function runFraud(words: readonly string[]): Promise<void> {
  await runStep(process.execPath, [...process.execArgv, join(ROOT, 'src', 'main.ts'), ...words]);
}

const SHOWN_CHARACTERS = 60;

/** A list of all features tells a person nothing. */
function shortened(word: string): string {
  return word.length > SHOWN_CHARACTERS ? `${word.slice(0, SHOWN_CHARACTERS)}...` : word;
}

async function failure(child: ReturnType<typeof spawn>, program: string): Promise<never> {
  const [error] = await once(child, 'error');
  throw new StepFailedError(`${program} cannot be started: ${(error as Error).message}`);
}
