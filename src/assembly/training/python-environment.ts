import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../engine-options.ts';
import { runStep } from './run-step.ts';

const TRAINING = join(ROOT, 'training');
const ENVIRONMENT = join(TRAINING, '.venv');
const REQUIREMENTS = join(TRAINING, 'requirements.txt');
/** Holds the hash of the requirements that are installed; written last, so that a broken installation is made again. */
const MARK = join(ENVIRONMENT, 'installed.sha256');

/** The trainer's Python, installed on first use and again whenever its requirements change. @returns its path */
export async function preparePython(): Promise<string> {
  const python = join(ENVIRONMENT, 'bin', 'python');
  const wanted = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex');
  const installed = await readFile(MARK, 'utf8').catch(() => '');
  if (installed === wanted) return python;
  process.stderr.write('preparing the Python environment of the trainer (once, about a minute)\n');
  await runStep('python3', ['-m', 'venv', '--clear', ENVIRONMENT]);
  const quiet = ['--quiet', '--disable-pip-version-check'];
  await runStep(python, [
    '-m',
    'pip',
    'install',
    ...quiet,
    '--require-hashes',
    '--requirement',
    REQUIREMENTS,
  ]);
  await writeFile(MARK, wanted);
  return python;
}
