import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runStep } from '../../src/assembly/training/run-step.ts';
import { findFreePort, ServerProcess } from './server-process.ts';
import { PROJECT_DIRECTORY } from './service-command.ts';

const STACK_DIRECTORY = join(PROJECT_DIRECTORY, 'bench', 'fastapi');
/** Workers import their libraries one beside the other, on a machine that does other things as well. */
const START_WITHIN_MS = 120_000;

/** The Python of the stack, installed on first use, once for each set of requirements. @returns its path */
export async function prepareStackPython(): Promise<string> {
  const requirements = join(STACK_DIRECTORY, 'requirements.txt');
  const wanted = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fraud-detection');
  const environment = join(cache, `fastapi-${wanted.slice(0, 12)}`);
  const python = join(environment, 'bin', 'python');
  // Written last, so that a broken installation is made again.
  const mark = join(environment, 'installed');
  if ((await readFile(mark, 'utf8').catch(() => '')) === wanted) return python;
  process.stderr.write('preparing the Python environment of bench/fastapi (once, about a minute)\n');
  await mkdir(cache, { recursive: true });
  await runStep('python3', ['-m', 'venv', '--clear', environment]);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'];
  await runStep(python, [...install, '--requirement', requirements]);
  await writeFile(mark, wanted);
  return python;
}

/**
 * One worker. Several are several of these, each with a port, between which the generator takes turns, so that each has the
 * same share of the connections.
 */
export async function startPythonStack(stack: {
  readonly python: string;
  readonly kind: 'source' | 'tuned';
  readonly topic: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}): Promise<ServerProcess> {
  const port = await findFreePort();
  const uvicorn = ['-m', 'uvicorn', 'server:app', '--host', '127.0.0.1', '--port', `${port}`];
  const speed = ['--loop', 'uvloop', '--http', 'httptools', '--no-access-log', '--log-level', 'warning'];
  return ServerProcess.start({
    command: stack.python,
    args: [...uvicorn, ...speed],
    directory: STACK_DIRECTORY,
    environment: {
      ...stack.environment,
      STACK: stack.kind,
      PREDICTIONS_TOPIC: stack.topic,
      MODEL_FILE: join(PROJECT_DIRECTORY, 'models', 'v1', 'model.onnx'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
    url: `http://127.0.0.1:${port}/predict`,
    logFile: stack.logFile,
    startWithinMs: START_WITHIN_MS,
  });
}
