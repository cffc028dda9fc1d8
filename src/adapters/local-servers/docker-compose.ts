/** A Redis and a Kafka in containers, for machines that have Docker and nothing else. */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProgramFailedError } from './local-server-errors.ts';
import { runProgram } from './run-program.ts';

const COMPOSE_FILE = join(import.meta.dirname, '../../../deploy/compose.yaml');
const COMPOSE = ['compose', '--file', COMPOSE_FILE, '--project-name', 'fraud-detection'];
const ANSWER_WITHIN_MS = 10_000;

/** Whether a Docker daemon answers, and Compose is there to tell it what to run. */
export async function isComposeThere(): Promise<boolean> {
  try {
    await runProgram('docker', ['info'], { withinMs: ANSWER_WITHIN_MS });
    await runProgram('docker', ['compose', 'version'], { withinMs: ANSWER_WITHIN_MS });
    return true;
  } catch (error) {
    if (error instanceof ProgramFailedError) return false;
    throw error;
  }
}

/**
 * Starts the service of this name in compose.yaml and waits until it is healthy. The mark, a file, says that it was
 * started from here and is ours to end.
 */
export async function composeUp(name: string, mark: string): Promise<void> {
  await writeFile(mark, '');
  await runProgram('docker', [...COMPOSE, 'up', '--detach', '--wait', name]);
}

/** Whether it was started, going by its mark. */
export function isComposed(mark: string): boolean {
  return existsSync(mark);
}

/** Ends the service; its data stays in its volume. */
export async function composeDown(name: string, mark: string): Promise<void> {
  await runProgram('docker', [...COMPOSE, 'rm', '--stop', '--force', name]);
  await rm(mark);
}
