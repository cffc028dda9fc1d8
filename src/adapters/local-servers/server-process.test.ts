import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory, undoAtEnd } from '../../../test/start-service.ts';
import { ServerProcess } from './server-process.ts';

test('a process that names the folder is the server', async (t) => {
  const folder = await temporaryDirectory(t);
  const child = await startProgram(t, folder);
  const server = new ServerProcess(folder, child.pid!);
  assert.equal(await server.isRunning(), true);
  await server.stop();
  assert.equal(await server.isRunning(), false);
  assert.throws(() => process.kill(child.pid!, 0), { code: 'ESRCH' });
});

test('another process that has its pid by now is left alone', async (t) => {
  const folder = await temporaryDirectory(t);
  const child = await startProgram(t, `${folder}0`);
  const server = new ServerProcess(folder, child.pid!);
  assert.equal(await server.isRunning(), false);
  await server.stop();
  await server.kill();
  assert.equal(child.exitCode ?? child.signalCode, null);
  assert.ok(process.kill(child.pid!, 0));
});

test('a process that will not end is ended', async (t) => {
  const folder = await temporaryDirectory(t);
  const child = await startProgram(t, folder, "process.on('SIGTERM', () => {});");
  const server = new ServerProcess(folder, child.pid!, { stopWithinMs: 200 });
  await server.stop();
  assert.equal(child.signalCode, 'SIGKILL');
});

/** A program that waits, with a file of the folder in its command line. */
async function startProgram(t: TestContext, folder: string, first = '') {
  const script = join(await temporaryDirectory(t), 'program.js');
  await writeFile(script, `${first} console.log('here'); setInterval(() => {}, 1000);`);
  const child = spawn(process.execPath, [script, join(folder, 'config')], { stdio: 'pipe' });
  undoAtEnd(t, () => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}
