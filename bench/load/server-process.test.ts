import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findFreePort, type ServerCommand, ServerProcess } from './server-process.ts';
import { PROJECT_DIRECTORY } from './service-command.ts';

async function bareServer(directory: string, ...args: readonly string[]): Promise<ServerCommand> {
  const port = await findFreePort();
  return {
    command: process.execPath,
    args: ['bench/load/bare-server.ts', '--port', `${port}`, ...args],
    directory: PROJECT_DIRECTORY,
    url: `http://127.0.0.1:${port}/predict`,
    logFile: join(directory, 'server.log'),
    startWithinMs: 20_000,
  };
}

async function post(url: string, members: object = {}): Promise<Response> {
  const payment = {
    transaction_id: 'payment-1',
    user_id: 'user_1',
    amount: 1.5,
    merchant_category: 'grocery',
    is_international: false,
    timestamp: '2026-01-02T03:04:05Z',
    ...members,
  };
  const headers = { 'content-type': 'application/json' };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(payment) });
}

test('both kinds of bare server give the same answer, and Fastify checks the body', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-test-'));
  await using fastify = await ServerProcess.start(await bareServer(directory.path));
  await using nodeHttp = await ServerProcess.start(await bareServer(directory.path, '--kind', 'node-http'));
  const answers = await Promise.all(
    [fastify, nodeHttp].map(async ({ url }) => (await post(url)).json() as Promise<Record<string, unknown>>),
  );
  assert.equal(answers[0]?.transaction_id, 'payment-1');
  assert.deepEqual({ ...answers[0], decided_at: '' }, { ...answers[1], decided_at: '' });
  assert.equal((await post(fastify.url, { amount: '1.5' })).status, 400);
  assert.equal((await post(fastify.url, { colour: 'red' })).status, 400);
});

test('a server that was stopped is gone', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-test-'));
  const server = await ServerProcess.start(await bareServer(directory.path));
  await server[Symbol.asyncDispose]();
  assert.throws(() => process.kill(server.pid, 0), { code: 'ESRCH' });
});

test('a server that ends instead of starting is an error that quotes what it printed', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-test-'));
  const server = await bareServer(directory.path, '--no-such-option');
  await assert.rejects(ServerProcess.start(server), /ended with code 1.*--no-such-option/s);
  await assert.rejects(ServerProcess.start({ ...server, command: '/no/such/command' }), /ENOENT/);
});
