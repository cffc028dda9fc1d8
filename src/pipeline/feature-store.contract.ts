/** What every FeatureStore must do, run against each adapter on its real store. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { FEATURE_NAMES } from '../core/features/catalogue.ts';
import { FeatureVectorizer, type HistoryViews } from '../core/features/feature-vector.ts';
import { Histories } from '../core/features/histories.ts';
import { labelOf, paymentOf } from '../core/features/payment-of.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { Transaction } from '../core/transaction/transaction.ts';
import type { FeatureStore } from './feature-store.ts';

export type OpenedFeatureStore = AsyncDisposable & { readonly featureStore: FeatureStore };
/** Opens the same store again each time it is called; the one before has been disposed of. */
export type OpenFeatureStore = () => Promise<OpenedFeatureStore>;

const NOON = Date.UTC(2024, 5, 12, 12);
const DAY = 86_400_000;
const vectorizer = new FeatureVectorizer(FEATURE_NAMES);

/** `create` makes the place for a new, empty store, and registers its removal with the test. */
export function testFeatureStore(name: string, create: (t: TestContext) => Promise<OpenFeatureStore>): void {
  const withStore = (title: string, body: (store: FeatureStore) => Promise<void>) =>
    test(title, async (t) => {
      await using opened = await (await create(t))();
      await body(opened.featureStore);
    });

  describe(`${name} is a feature store`, () => {
    withStore('each transaction of a batch sees those before it, and not those after', seesThoseBefore);
    withStore('views stay as they are while the histories go on', keepsViews);
    withStore('a transaction is recorded once, and gets the view of its first arrival', recordsOnce);
    withStore('a terminal is shared by users, and may be missing', sharesTerminals);
    withStore('labels count from when they are known, in both histories, and once', recordsLabels);
    withStore('a batch of nothing changes nothing', async (store) => {
      assert.deepEqual(await store.record([]), []);
      await store.recordLabels([]);
    });
    withStore('long histories give the same as in memory', async (store) => {
      const memory = new Histories();
      for (const part of [0, 1, 2]) await sameAsInMemory(store, longStream(part), { memory });
    });
    test('opened again it goes on with what it had', async (t) => goesOn(await create(t)));
  });
}

async function seesThoseBefore(store: FeatureStore): Promise<void> {
  const [first, second, third] = [1, 2, 3].map((index) => at(index, { terminalId: 'shop' }));
  const others = [at(4, { userId: 'u2', terminalId: 'shop' }), at(5, { userId: 'u2' })];
  const views = await store.record([first, others[0], second, third, others[1]]);
  assert.deepEqual(
    views.map(({ user, terminal }) => [user.position, terminal?.position]),
    [
      [0, 0],
      [0, 1],
      [1, 2],
      [2, 3],
      [1, undefined],
    ],
  );
  assert.deepEqual(
    views.map(({ user }) => user.previousNewestMs),
    [-Infinity, -Infinity, first.timestampMs, second.timestampMs, others[0].timestampMs],
  );
  await sameAsInMemory(store, [], { before: [first, others[0], second, third, others[1]], views });
}

async function keepsViews(store: FeatureStore): Promise<void> {
  const payment = at(0, { terminalId: 'shop' });
  const [views] = await store.record([payment]);
  const before = vectorizer.compute(payment, views);
  for (let index = 1; index < 100; index++) await store.record([at(index, { terminalId: 'shop' })]);
  assert.deepEqual(vectorizer.compute(payment, views), before);
}

async function recordsOnce(store: FeatureStore): Promise<void> {
  const payments = [1, 2, 3].map((index) => at(index, { terminalId: 'shop' }));
  const first = await store.record([...payments, payments[1]]);
  assert.deepEqual(vectorOf(payments[1], first[3]), vectorOf(payments[1], first[1]));
  const [again] = await store.record([payments[0]]);
  assert.deepEqual(vectorOf(payments[0], again), vectorOf(payments[0], first[0]));
  const [next] = await store.record([at(4, { terminalId: 'shop' })]);
  assert.equal(next.user.position, 3);
  assert.equal(next.terminal?.position, 3);
}

async function sharesTerminals(store: FeatureStore): Promise<void> {
  await store.record([
    at(1, { userId: 'u1', terminalId: 'shop' }),
    at(2, { userId: 'u2', terminalId: 'shop' }),
  ]);
  const [lone, shared] = await store.record([
    at(3, { userId: 'u1' }),
    at(4, { userId: 'u3', terminalId: 'shop' }),
  ]);
  assert.equal(lone.terminal, undefined);
  assert.equal(lone.user.position, 1);
  assert.deepEqual([shared.user.position, shared.terminal?.position], [0, 2]);
}

async function recordsLabels(store: FeatureStore): Promise<void> {
  const payment = at(0, { terminalId: 'shop' });
  await store.record([payment]);
  const known = labelOf(payment, { knownAtMs: NOON + 1000 });
  const refuted = labelOf(payment, { isFraud: false, previousIsFraud: true, knownAtMs: NOON + 9 * DAY });
  const rate = FEATURE_NAMES.indexOf('terminal_fraud_rate_7d_delayed_7d');
  const askedOn = async (day: number) => {
    const later = paymentOf({ userId: `day ${day}`, terminalId: 'shop', timestampMs: NOON + day * DAY });
    return vectorOf(later, (await store.record([later]))[0])[rate];
  };
  assert.equal(await askedOn(8), 0);
  await store.recordLabels([known]);
  await store.recordLabels([known, known]);
  assert.equal(await askedOn(8), 1);
  await store.recordLabels([refuted]);
  assert.equal(await askedOn(8), 1, 'what was believed then');
  assert.equal(await askedOn(10), 0);
  const [next] = await store.record([at(1, { terminalId: 'elsewhere' })]);
  assert.equal(next.user.position, 3, 'the payment and both labels');
}

async function goesOn(open: OpenFeatureStore): Promise<void> {
  const memory = new Histories();
  for (let part = 0; part < 3; part++) {
    await using opened = await open();
    await sameAsInMemory(opened.featureStore, longStream(part), { memory });
  }
}

type Compared = {
  readonly memory?: Histories;
  /** Recorded by the store already, with these views. */
  readonly before?: readonly Transaction[];
  readonly views?: readonly HistoryViews[];
};

/** Batches of payments, and labels between them, give the features that histories in memory give. */
async function sameAsInMemory(
  store: FeatureStore,
  batches: readonly (readonly (Transaction | KnownLabel)[])[],
  { memory = new Histories(), before = [], views = [] }: Compared = {},
): Promise<void> {
  const assertSame = (payments: readonly Transaction[], found: readonly HistoryViews[]) => {
    for (const [index, payment] of payments.entries())
      assert.deepEqual(vectorOf(payment, found[index]), vectorOf(payment, memory.record(payment)));
  };
  assertSame(before, views);
  for (const batch of batches) {
    const payments = batch.filter((item) => 'amountUnits' in item);
    const labels = batch.filter((item) => 'isFraud' in item);
    assertSame(payments, await store.record(payments));
    await store.recordLabels(labels);
    for (const label of labels) memory.recordLabel(label);
  }
}

/** 800 payments in batches of eight, some late, every tenth of them known to be fraud a batch later. */
function longStream(part: number): (Transaction | KnownLabel)[][] {
  const batches: (Transaction | KnownLabel)[][] = [];
  for (let batch = 0; batch < 100; batch++) {
    const payments = Array.from({ length: 8 }, (_, index) => {
      const ordinal = part * 800 + batch * 8 + index;
      return paymentOf({
        transactionId: `long-${ordinal}`,
        userId: `u${ordinal % 3}`,
        terminalId: ordinal % 5 === 0 ? undefined : `shop-${ordinal % 2}`,
        amountUnits: 10_000 + ordinal,
        timestampMs: NOON + ordinal * 3_600_000 - (ordinal % 7 === 0 ? DAY / 2 : 0),
      });
    });
    const suspects = (batches.at(-1) ?? []).filter((item) => 'amountUnits' in item).slice(0, 1);
    const labels = suspects.map((payment) => labelOf(payment, { knownAtMs: payment.timestampMs + DAY }));
    batches.push([...payments, ...labels]);
  }
  return batches;
}

function at(minute: number, said: Parameters<typeof paymentOf>[0]): Transaction {
  return paymentOf({ timestampMs: NOON + minute * 60_000, ...said });
}

function vectorOf(transaction: Transaction, views: HistoryViews): Float32Array {
  return vectorizer.compute(transaction, views);
}
