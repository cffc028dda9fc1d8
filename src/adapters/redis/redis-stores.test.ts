import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { EntityHistory } from '../../core/features/entity-history.ts';
import { FeatureVectorizer, REACH_MS } from '../../core/features/feature-vector.ts';
import { labelOf, paymentOf } from '../../core/features/payment-of.ts';
import { testDecisionIndex } from '../../pipeline/decision-index.contract.ts';
import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import { testFeatureStore } from '../../pipeline/feature-store.contract.ts';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import { askRedis } from '../local-servers/redis-server.ts';
import { sharedRedis, sharedRedisCluster, startRedis } from '../local-servers/servers.fixture.ts';
import { openStores } from './redis-stores.fixture.ts';

type Open = () => ReturnType<typeof openStores>;

for (const [name, create] of [
  ['Redis', inRedis],
  ['Redis Cluster', inCluster],
  ['Redis with TLS and a user', inSecureRedis],
] as const) {
  const createPlace = async (t: TestContext) => placeOf(await create(t));
  testFeatureStore(name, createPlace);
  testDecisionIndex(name, createPlace);

  describe(`${name} is filled in bulk`, () => {
    test('with histories and decisions, which go on from there', async (t) =>
      goesOnFromRestored(await create(t)));
    test('after it was emptied of what is ours', async (t) => emptiesWhatIsOurs(await create(t)));
  });
}

async function goesOnFromRestored(open: Open): Promise<void> {
  await using stores = await open();
  const payments = Array.from({ length: 1_300 }, (_, index) =>
    paymentOf({ timestampMs: Date.UTC(2024, 5, 1) + index * 600_000 }),
  );
  const history = new EntityHistory(REACH_MS.user);
  for (const payment of payments) history.recordTransaction(payment, undefined);
  await stores.restorer.restoreHistories([{ entity: 'user', id: 'u1', bytes: history.toBytes() }]);
  const next = paymentOf({ timestampMs: Date.UTC(2024, 5, 20) });
  const [views] = await stores.featureStore.record([next]);
  const vectorizer = new FeatureVectorizer(FEATURE_NAMES);
  const expected = { user: history.recordTransaction(next, undefined), terminal: undefined };
  assert.deepEqual(vectorizer.compute(next, views), vectorizer.compute(next, expected));

  const decisions = [0, 1, 2].map(decisionOf);
  const label = { isFraud: true, knownAtMs: 1_790_000_000_000 };
  await stores.restorer.restoreDecisions(decisions);
  await stores.restorer.restoreDecisions([{ ...decisions[0], isFraud: !decisions[0].isFraud }]);
  const earlier = labelOf(decisions[1].transaction, { ...label, isFraud: false, knownAtMs: 1 });
  await stores.restorer.restoreLabels([earlier, labelOf(decisions[1].transaction, label)]);
  assert.deepEqual(
    await stores.decisionIndex.find(decisions.map(({ transaction }) => transaction.transactionId)),
    decisions.map((decision, index) => ({
      decision,
      label: index === 1 ? label : undefined,
      isLogged: true,
    })),
  );
}

async function emptiesWhatIsOurs(open: Open): Promise<void> {
  await using stores = await open();
  await stores.restorer.removeAll();
  const payments = Array.from({ length: 1_500 }, (_, index) => paymentOf({ userId: `many-${index}` }));
  for (let first = 0; first < payments.length; first += 500) {
    await stores.featureStore.record(payments.slice(first, first + 500));
  }
  await stores.decisionIndex.claim([decisionOf(1)]);
  await stores.decisionIndex.addLabels([labelOf(decisionOf(1).transaction, { knownAtMs: 1 })]);
  assert.equal(await stores.restorer.removeAll(), payments.length + 2);
  assert.equal(await stores.restorer.removeAll(), 0);
  const [again] = await stores.featureStore.record([paymentOf({ userId: 'many-0' })]);
  assert.equal(again.user.position, 0);
}

describe('decisions in Redis', () => {
  test('are claimed once: everybody gets the one that stands', async (t) => {
    const open = await inRedis(t);
    const stores = await Promise.all(Array.from({ length: 6 }, open));
    const claims = await Promise.all(
      stores.map(({ decisionIndex }, client) =>
        decisionIndex.claim([0, 1, 2].map((index) => ({ ...decisionOf(index), decidedAtMs: client }))),
      ),
    );
    for (const claimed of claims) assert.deepEqual(claimed, claims[0]);
    const [winner] = claims[0];
    assert.deepEqual(winner, { ...decisionOf(0), decidedAtMs: winner.decidedAtMs });
    for (const each of stores) await each[Symbol.asyncDispose]();
  });

  test('are claimed until they are confirmed to be logged', async (t) => {
    await using stores = await (await inRedis(t))();
    const decision = decisionOf(1);
    const isLogged = async () =>
      (await stores.decisionIndex.find([decision.transaction.transactionId]))[0]?.isLogged;
    await stores.decisionIndex.claim([decision]);
    assert.equal(await isLogged(), false);
    stores.decisionIndex.confirm([decision]);
    assert.equal(await isLogged(), true);
  });

  test('are not made by a confirmation: what has expired is gone', async (t) => {
    await using stores = await (await inRedis(t))();
    stores.decisionIndex.confirm([decisionOf(1)]);
    assert.deepEqual(await stores.decisionIndex.find([decisionOf(1).transaction.transactionId]), [undefined]);
  });

  test('expire, and histories that nobody adds to', async (t) => {
    const redis = await sharedRedis(t);
    if (!redis) return;
    const settings = { decisionSeconds: 1, historySeconds: 1 };
    await using stores = await openStores(redis, { keyPrefix: redis.prefix, settings });
    await stores.featureStore.record([paymentOf({})]);
    await stores.decisionIndex.claim([decisionOf(1)]);
    stores.decisionIndex.confirm([decisionOf(1)]);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.deepEqual(await stores.decisionIndex.find([decisionOf(1).transaction.transactionId]), [undefined]);
    assert.equal((await stores.featureStore.record([paymentOf({})]))[0].user.position, 0);
  });
});

test('what is not ours stays where it is when Redis is emptied of ours', async (t) => {
  const redis = await sharedRedis(t);
  if (!redis) return;
  await using stores = await openStores(redis, { keyPrefix: redis.prefix });
  await stores.featureStore.record([paymentOf({})]);
  const others = [`${redis.prefix}users:1`, `${redis.prefix}other:1`, `another-${redis.prefix}user:u1`];
  for (const key of others) await askRedis(redis, ['SET', key, 'x']);
  assert.equal(await stores.restorer.removeAll(), 1);
  for (const key of others) assert.equal(await askRedis(redis, ['GET', key]), 'x');
});

test('what is damaged in Redis is taken for unavailable, not for an error of ours', async (t) => {
  const redis = await sharedRedis(t);
  if (!redis) return;
  await using stores = await openStores(redis, { keyPrefix: redis.prefix });
  const bytes = Buffer.alloc(25);
  await stores.restorer.restoreHistories([{ entity: 'user', id: 'u1', bytes }]);
  await assert.rejects(stores.featureStore.record([paymentOf({})]), StoreUnavailableError);
  assert.equal(stores.health.isAway, false);
});

/** Undefined servers have skipped the test; what is opened then fails. */
async function inRedis(t: TestContext): Promise<Open> {
  const redis = await sharedRedis(t);
  return () => openStores(redis!, { keyPrefix: redis!.prefix });
}

async function inCluster(t: TestContext): Promise<Open> {
  const cluster = await sharedRedisCluster(t);
  const settings = { isCluster: true };
  return () => openStores(cluster!.addresses[0], { keyPrefix: cluster!.prefix, settings });
}

async function inSecureRedis(t: TestContext): Promise<Open> {
  const redis = await startRedis(t, { isSecure: true });
  return () => openStores(redis!, {});
}

function placeOf(open: Open) {
  return async () => {
    const stores = await open();
    const { featureStore, decisionIndex } = stores;
    return {
      featureStore,
      decisionIndex,
      log: async (decisions: Parameters<typeof decisionIndex.claim>[0]) => {
        await decisionIndex.claim(decisions);
        decisionIndex.confirm(decisions);
      },
      logLabels: (labels: Parameters<typeof decisionIndex.addLabels>[0]) => decisionIndex.addLabels(labels),
      [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
    };
  };
}

function decisionOf(index: number) {
  const event = sampleDecision(index);
  assert.ok(event.kind === 'decision');
  return event.decision;
}
