import assert from 'node:assert/strict';
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { locateDataDirectory, openDataDirectory } from './data-directory.ts';
import { DataDirectoryInUseError, DataDirectoryUnusableError } from './data-directory-errors.ts';

const HOLDER = join(import.meta.dirname, 'holder.fixture.ts');
const NOBODY = 65_534;
const command = 'fraud test';

describe('a data directory', () => {
  test('is made where it is missing, with its parts, and is the same when opened again', async (t) => {
    const path = join(await temporaryDirectory(t), 'some', 'where');
    for (let time = 0; time < 2; time++) {
      await using directory = await openDataDirectory(path, { command });
      assert.deepEqual((await readdir(path)).sort(), [
        'format.json',
        'lock.db',
        'log',
        'owner.json',
        'spool',
        'views',
      ]);
      assert.equal(directory.logPath, join(path, 'log'));
      assert.equal(directory.viewsPath, join(path, 'views'));
      await writeFile(join(directory.logPath, 'kept'), '');
    }
    assert.deepEqual(await readdir(join(path, 'log')), ['kept']);
    assert.equal((await locateDataDirectory(path)).logPath, join(path, 'log'));
  });

  test('belongs to one process, which the second one names', async (t) => {
    const path = await temporaryDirectory(t);
    const first = await startHolder(t, path);
    assert.equal(first.said, 'taken');
    const { said } = await startHolder(t, path);
    const pattern = `^data directory ${path} is in use by \`fraud serve\` \\(process ${first.process.pid} on ${hostname()}, port 8000, since 20.*Z\\)$`;
    assert.match(said, new RegExp(pattern));
    await assert.rejects(openDataDirectory(path, { command }), DataDirectoryInUseError);
    first.process.stdin.end();
    await once(first.process, 'close');
    await using _ = await openDataDirectory(path, { command });
    await assert.rejects(openDataDirectory(path, { command }), DataDirectoryInUseError);
  });

  test('is free again when its owner is killed', async (t) => {
    const path = await temporaryDirectory(t);
    const first = await startHolder(t, path);
    first.process.kill('SIGKILL');
    await once(first.process, 'close');
    const second = await startHolder(t, path);
    assert.equal(second.said, 'taken');
    const owner = JSON.parse(await readFile(join(path, 'owner.json'), 'utf8'));
    assert.equal(owner.pid, second.process.pid);
  });

  test('may be a fresh volume', async (t) => {
    const path = await temporaryDirectory(t);
    await mkdir(join(path, 'lost+found'));
    await using _ = await openDataDirectory(path, { command });
  });
});

describe('refused as a data directory, by name, is', () => {
  test('a file', async (t) => {
    const path = join(await temporaryDirectory(t), 'file');
    await writeFile(path, '');
    await assertRefused(path, /\/file is not a directory/);
    await assertRefused(join(path, 'below'), /\/below is not a directory/);
    await assert.rejects(locateDataDirectory(path), DataDirectoryUnusableError);
  });

  test('a directory that holds something else, which stays as it was', async (t) => {
    const path = await temporaryDirectory(t);
    await writeFile(join(path, 'letter.txt'), '');
    await assertRefused(path, /it holds letter\.txt but no format\.json/);
    await assert.rejects(locateDataDirectory(path), DataDirectoryUnusableError);
    assert.deepEqual(await readdir(path), ['letter.txt']);
  });

  test('another version of ours, and a format that is none', async (t) => {
    const path = await temporaryDirectory(t);
    await writeFile(join(path, 'format.json'), '{"format":"fraud-detection data directory","version":2}');
    await assertRefused(path, /has the format "fraud-detection data directory" version 2; .* version 1$/);
    await writeFile(join(path, 'format.json'), 'nonsense');
    await assertRefused(path, /has the format undefined version undefined/);
  });

  test('one that this user may not write to', async (t) => {
    const path = await temporaryDirectory(t);
    await chmod(path, 0o555);
    const { said } = await startHolder(t, path, process.getuid?.() === 0 ? { uid: NOBODY } : {});
    assert.equal(said, `data directory ${path} cannot be written to by this user`);
  });
});

async function assertRefused(path: string, message: RegExp): Promise<void> {
  await assert.rejects(openDataDirectory(path, { command }), (error) => {
    assert.ok(error instanceof DataDirectoryUnusableError);
    assert.match(error.message, message);
    return true;
  });
}

type Holder = { process: ChildProcessByStdio<Writable, Readable, null>; said: string };

async function startHolder(t: TestContext, path: string, user: { uid?: number } = {}): Promise<Holder> {
  const holder = spawn(process.execPath, [HOLDER, path], { stdio: ['pipe', 'pipe', 'inherit'], ...user });
  t.after(() => holder.kill('SIGKILL'));
  const [text] = await once(holder.stdout.setEncoding('utf8'), 'data');
  return { process: holder, said: String(text).trimEnd() };
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'data-directory-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}
