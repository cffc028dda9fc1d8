/** Redis is broken in every way that we know of: calls end in time, and work again once it does, without a restart. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { labelOf, paymentOf } from '../../core/features/payment-of.ts';
import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import { askRedis } from '../local-servers/redis-server.ts';
import { type RedisForTest, startRedis, startRedisCluster } from '../local-servers/servers.fixture.ts';
import type { RedisHealth } from './redis-health.ts';
import { deadlinesOf } from './redis-settings.ts';
import { openStores } from './redis-stores.fixture.ts';
import type { RedisStores } from './redis-stores.ts';

const DEADLINES = deadlinesOf(1_000);
/** What a busy machine may add to a deadline. */
const SLACK_MS = 250;
/** Of a call that does not wait: less than any deadline. */
const AT_ONCE_MS = 100;
const BACK_WITHIN_MS = 15_000;
const settings = { deadlines: DEADLINES };

describe('while Redis is', () => {
  test('stopped, calls are refused at once; and it is used again when it is back', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await using stores = await openStores(redis, { settings });
    await untilAllWork(stores);
    await redis.servers.stop();
    await assertAllRefused(stores, SLACK_MS);
    assert.equal(stores.health.isAway, true);
    await assertAllRefused(stores, AT_ONCE_MS);
    await redis.servers.restart();
    await untilAllWork(stores);
    assert.equal(stores.health.isAway, false);
  });

  test('killed under load, nothing is left waiting', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await using stores = await openStores(redis, { settings });
    await untilAllWork(stores);
    const loaded = () =>
      Promise.allSettled(Array.from({ length: 500 }, () => stores.featureStore.record([paymentOf({})])));
    const before = loaded();
    await redis.servers.kill();
    const outcomes = [...(await before), ...(await loaded())];
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof StoreUnavailableError);
    }
    assert.equal(outcomes.at(-1)?.status, 'rejected');
  });

  test('hung, the first call waits for its deadline and no other does, however many come', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const changes: RedisHealth[] = [];
    await using stores = await openStores(redis, {
      settings,
      onHealthChange: (health) => changes.push(health),
    });
    await untilAllWork(stores);
    await redis.servers.pause();
    await assertRefused(() => stores.featureStore.record([paymentOf({})]), DEADLINES.recordMs + SLACK_MS);
    const startedMs = performance.now();
    for (let call = 0; call < 2_000; call++) await assertRefused(() => find(stores), SLACK_MS);
    assert.ok(performance.now() - startedMs < 2_000, 'nobody waits');
    await assertAllRefused(stores, AT_ONCE_MS);
    assert.equal(stores.health.isAway, true);
    assert.match(String(stores.health.lastError), /did not answer within/);
    await redis.servers.resume();
    await untilAllWork(stores);
    assert.deepEqual(
      changes.map(({ isAway }) => isAway).slice(-2),
      [true, false],
      'and the change is told, once each',
    );
  });

  test('hung for longer than a connection is trusted, it is connected anew and used when it goes on', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await using stores = await openStores(redis, { settings });
    await untilAllWork(stores);
    await redis.servers.pause();
    await assertRefused(() => find(stores), DEADLINES.findMs + SLACK_MS);
    await until(async () => /hangs for/.test(String(stores.health.lastError)));
    await redis.servers.resume();
    await untilAllWork(stores);
  });

  test('out of memory, writes are refused and reads are not; and it is used when there is room', async (t) => {
    const redis = await startRedis(t, { settings: { 'maxmemory-policy': 'noeviction' } });
    if (!redis) return;
    await using stores = await openStores(redis, { settings });
    await untilAllWork(stores);
    stores.decisionIndex.confirm([decisionOf(1)]);
    await askRedis(redis, ['CONFIG', 'SET', 'maxmemory', '1']); // less than it has used already
    await assertRefused(() => stores.featureStore.record([paymentOf({})]), SLACK_MS);
    await assertRefused(() => stores.decisionIndex.claim([decisionOf(7)]), SLACK_MS);
    const { isAway, isRefusing, lastError } = stores.health;
    assert.deepEqual([isAway, isRefusing], [false, true]);
    assert.match(String(lastError), /OOM/);
    assert.equal((await find(stores))[0]?.isLogged, true);
    await askRedis(redis, ['CONFIG', 'SET', 'maxmemory', '1gb']);
    await untilAllWork(stores);
    assert.equal(stores.health.isRefusing, false);
  });

  test('restarted empty, histories begin anew and are still folded', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await using stores = await openStores(redis, { settings: { deadlines: deadlinesOf(10_000) } });
    await untilAllWork(stores);
    await askRedis(redis, ['FLUSHALL']);
    await askRedis(redis, ['SCRIPT', 'FLUSH']);
    await redis.servers.restart();
    await untilAllWork(stores);
    const payments = Array.from({ length: 1_500 }, (_, index) =>
      paymentOf({ userId: 'u9', timestampMs: index }),
    );
    for (let first = 0; first < payments.length; first += 100) {
      await stores.featureStore.record(payments.slice(first, first + 100));
    }
    const [{ user }] = await stores.featureStore.record([paymentOf({ userId: 'u9' })]);
    assert.equal(user.position, payments.length);
    const length = Number(await askRedis(redis, ['STRLEN', 'user:u9']));
    assert.ok(length < 24 * 1_000, `${length} bytes`);
  });

  test('not there yet, the stores are open already; and used when it comes', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await redis.servers.stop();
    await using stores = await openStores(redis, { settings, connectWithinMs: 50 });
    await assertAllRefused(stores, AT_ONCE_MS);
    await redis.servers.restart();
    await untilAllWork(stores);
  });

  test('not letting us in, calls are refused and it is said why', async (t) => {
    const redis = await startRedis(t, { isSecure: true });
    if (!redis) return;
    const security = { ...redis.security!, password: 'another' };
    await using stores = await openStores({ ...redis, security }, { settings, connectWithinMs: 500 });
    await assertAllRefused(stores, AT_ONCE_MS);
    assert.match(String(stores.health.lastError), /WRONGPASS/);
  });

  test('a replica, it is left and its address asked again', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await using stores = await openStores(redis, { settings });
    await untilAllWork(stores);
    await askRedis(redis, ['REPLICAOF', '127.0.0.1', '1']);
    await assertRefused(() => stores.featureStore.record([paymentOf({})]), SLACK_MS);
    await askRedis(redis, ['REPLICAOF', 'NO', 'ONE']);
    await untilAllWork(stores);
  });
});

describe('while a master of a Redis Cluster is', () => {
  for (const [how, shorten] of [
    ['killed', 'kill'],
    ['hung', 'pause'],
  ] as const) {
    test(`${how}, the others go on; and all do once its replica has taken over`, async (t) => {
      const cluster = await startRedisCluster(t);
      if (!cluster) return;
      const [address] = cluster.addresses;
      await using stores = await openStores(address, { settings: { ...settings, isCluster: true } });
      await untilAllWork(stores);
      const payments = Array.from({ length: 60 }, (_, index) => paymentOf({ userId: `cluster-${index}` }));
      await recordedOf(stores, payments);
      const [master] = await cluster.findMasters();
      await master[shorten]();
      await recordedOf(stores, payments);
      const count = await recordedOf(stores, payments);
      assert.ok(count > 20 && count < 60, `${count} of 60 users are on the other masters`);
      await until(async () => (await recordedOf(stores, payments)) === payments.length);
      await untilAllWork(stores);
      assert.equal(stores.health.isAway, false);
      const views = await stores.featureStore.record(payments);
      assert.deepEqual(new Set(views.map(({ user }) => user.position)), new Set([0]));
    });
  }

  test('giving a slot away, its histories go on where they are', async (t) => {
    const cluster = await startRedisCluster(t);
    if (!cluster) return;
    await using stores = await openStores(cluster.addresses[0], {
      settings: { ...settings, isCluster: true },
    });
    await untilAllWork(stores);
    const payments = Array.from({ length: 4 }, () => paymentOf({ userId: 'moving' }));
    const move = await moveSlotOf('user:moving', cluster);
    const positions = [];
    for (const [index, payment] of payments.entries()) {
      positions.push((await stores.featureStore.record([payment]))[0].user.position);
      if (index === 0) await move.begin();
      if (index === 1) await move.moveKeys();
      if (index === 2) await move.end();
    }
    assert.deepEqual(positions, [0, 1, 2, 3]);
    await until(async () => (await stores.featureStore.record([payments[0]]))[0].user.position === 0);
  });
});

async function assertAllRefused(stores: RedisStores, withinMs: number): Promise<void> {
  for (const call of callsOf(stores)) await assertRefused(call, withinMs);
}

async function assertRefused(call: () => Promise<unknown>, withinMs: number): Promise<void> {
  const startedMs = performance.now();
  await assert.rejects(call(), StoreUnavailableError);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs <= withinMs, `${call} took ${tookMs} ms`);
}

function callsOf({ featureStore, decisionIndex }: RedisStores): (() => Promise<unknown>)[] {
  const payment = paymentOf({ terminalId: 'shop' });
  const label = labelOf(payment, { knownAtMs: payment.timestampMs });
  const { transactionId } = decisionOf(1).transaction;
  return [
    () => featureStore.record([payment]),
    () => featureStore.recordLabels([label]),
    () => decisionIndex.find([transactionId]),
    () => decisionIndex.claim([decisionOf(1)]),
    () => decisionIndex.addLabels([label]),
  ];
}

function find({ decisionIndex }: RedisStores) {
  return decisionIndex.find([decisionOf(1).transaction.transactionId]);
}

/** Every kind of call goes through, sooner or later. */
async function untilAllWork(stores: RedisStores): Promise<void> {
  for (const call of callsOf(stores)) {
    await until(() =>
      call().then(
        () => true,
        (error) => {
          assert.ok(error instanceof StoreUnavailableError, String(error));
          return false;
        },
      ),
    );
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + BACK_WITHIN_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < untilMs, 'it did not come back');
    await delay(20);
  }
}

/** How many of the payments can be recorded, each alone. */
async function recordedOf({ featureStore }: RedisStores, payments: ReturnType<typeof paymentOf>[]) {
  const outcomes = await Promise.allSettled(payments.map((payment) => featureStore.record([payment])));
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}

type Cluster = NonNullable<Awaited<ReturnType<typeof startRedisCluster>>>;

/** The steps in which a slot goes from its master to another one. */
async function moveSlotOf(key: string, { addresses, findMasters }: Cluster) {
  const masters = (await findMasters()).map(({ recipe }) => ({ host: addresses[0].host, port: recipe.port }));
  const ask = (node: Pick<RedisForTest, 'host' | 'port'>, words: string[]) => askRedis(node, words);
  const slot = String(await ask(masters[0], ['CLUSTER', 'KEYSLOT', key]));
  const isOwner = (node: (typeof masters)[number]) =>
    ask(node, ['GET', key]).then(
      () => true,
      () => false,
    );
  const owns = await Promise.all(masters.map(isOwner));
  const from = masters[owns.indexOf(true)];
  const to = masters[owns.indexOf(false)];
  const [fromId, toId] = await Promise.all([from, to].map((node) => ask(node, ['CLUSTER', 'MYID'])));
  return {
    begin: async () => {
      await ask(to, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId]);
      await ask(from, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId]);
    },
    moveKeys: () => ask(from, ['MIGRATE', to.host, String(to.port), key, '0', '1000']),
    end: async () => {
      for (const node of [to, from]) await ask(node, ['CLUSTER', 'SETSLOT', slot, 'NODE', toId]);
    },
  };
}

function decisionOf(index: number) {
  const event = sampleDecision(index);
  assert.ok(event.kind === 'decision');
  return event.decision;
}
