import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, type RedisClientOptions } from 'redis';
import { temporaryDirectory, undoAtEnd } from '../../../test/start-service.ts';
import { makeCertificates } from './certificates.ts';
import { askRedis, type RedisSecurity } from './redis-server.ts';
import { readRecord } from './server-record.ts';
import { type RedisForTest, sharedRedis, startRedis } from './servers.fixture.ts';

const HANGING_MS = 300;

test('a Redis keeps every write, evicts nothing and listens on this machine alone', async (t) => {
  const redis = await startRedis(t, { settings: { maxmemory: '64mb' } });
  if (redis === undefined) return;
  const client = await connected(t, redis);
  const settings = { appendonly: 'yes', appendfsync: 'everysec', 'maxmemory-policy': 'noeviction' };
  for (const [name, value] of Object.entries({ ...settings, bind: '127.0.0.1', maxmemory: '67108864' }))
    assert.deepEqual({ ...(await client.configGet(name)) }, { [name]: value });
});

test('a Redis that is stopped or killed has no process; started again it has its port and its data', async (t) => {
  const redis = await startRedis(t);
  if (redis === undefined) return;
  const [node] = redis.servers.nodes;
  await askRedis(redis, ['SET', 'kept', 'yes']);
  for (const end of ['stop', 'kill'] as const) {
    if (end === 'kill') await delay(1_100); // a killed one has what was synced, every second
    const { pid } = (await readRecord(node.recipe.folder))!;
    assert.ok(process.kill(pid, 0));
    await redis.servers[end]();
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    await assert.rejects(askRedis(redis, ['PING']), { code: 'ECONNREFUSED' });
    await redis.servers.restart();
    assert.equal(await askRedis(redis, ['GET', 'kept']), 'yes');
  }
});

test('a Redis that hangs takes connections and answers nothing until it is resumed; also a hanging one stops', async (t) => {
  const redis = await startRedis(t);
  if (redis === undefined) return;
  const client = await connected(t, redis);
  await redis.servers.pause();
  const answer = client.ping();
  assert.equal(await Promise.race([answer, delay(HANGING_MS, 'nothing')]), 'nothing');
  await redis.servers.resume();
  assert.equal(await answer, 'PONG');
  await redis.servers.pause();
  await redis.servers.stop();
  assert.equal(await redis.servers.isRunning(), false);
});

test('a secure Redis serves its user over TLS, and refuses', async (t) => {
  const redis = await startRedis(t, { isSecure: true });
  if (redis === undefined) return;
  const { user: username, password, certificates } = redis.security as RedisSecurity;
  const tls = { tls: true, ca: await readFile(certificates.caFile) } as const;
  const client = await connected(t, redis, { username, password }, tls);
  assert.equal(await client.set('key', 'value'), 'OK');
  assert.equal(await client.get('key'), 'value');
  const strangers = await makeCertificates(await temporaryDirectory(t));

  await t.test('who speaks without TLS', async () => {
    await assert.rejects(askRedis(redis, ['PING']), /Socket closed|ECONNRESET/);
  });
  await t.test('who gives no password', async () => {
    await assert.rejects(connected(t, redis, {}, tls), /NOAUTH/);
  });
  await t.test('who gives another user or password', async () => {
    await assert.rejects(connected(t, redis, { username, password: 'guessed' }, tls), /WRONGPASS/);
    await assert.rejects(connected(t, redis, { username: 'default', password }, tls), /WRONGPASS/);
  });
  await t.test('and is refused by who trusts another authority', async () => {
    const other = { ...tls, ca: await readFile(strangers.caFile) };
    await assert.rejects(connected(t, redis, { username, password }, other), /certificate/);
  });
});

test('a shared Redis is one for all tests of a file, each with a prefix of its own', async (t) => {
  const [first, second] = await Promise.all([sharedRedis(t), sharedRedis(t)]);
  if (first === undefined || second === undefined) return;
  assert.equal(first.port, second.port);
  assert.notEqual(first.prefix, second.prefix);
  assert.equal(await askRedis(first, ['PING']), 'PONG');
});

async function connected(
  t: TestContext,
  { host, port }: RedisForTest,
  user: Pick<RedisClientOptions, 'username' | 'password'> = {},
  tls: object = {},
) {
  const client = createClient({ socket: { host, port, reconnectStrategy: false, ...tls }, ...user });
  client.on('error', () => {}); // also rejects what is waited for
  undoAtEnd(t, () => client.destroy());
  await client.connect();
  await client.ping();
  return client;
}
