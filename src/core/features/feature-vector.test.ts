import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitrarySteps, entry, Histories, type Step, streamOf } from './arbitrary-stream.ts';
import { FEATURE_NAMES } from './catalogue.ts';
import { FeatureVectorizer, REACH_MS, UnknownFeatureError } from './feature-vector.ts';
import { NaiveHistory, naiveFeatures } from './naive-features.ts';
import { paymentOf } from './payment-of.ts';

describe('features of random streams', () => {
  test('equal a recount of everything by the definitions, bit for bit', () => {
    fc.assert(fc.property(arbitrarySteps, equalsRecount), { numRuns: 60 });
  });

  test('stay what they were at a view while its history goes on', () => {
    fc.assert(fc.property(arbitrarySteps, viewsStay), { numRuns: 20 });
  });
});

test('a feature that is not in the catalogue is refused by name', () => {
  assert.throws(() => new FeatureVectorizer(['amount', 'amuont']), UnknownFeatureError);
});

test('a vector has the named features in the order of their names', () => {
  const names = ['is_international', 'user_amount_mean_7d', 'amount'];
  const histories = new Histories();
  const transaction = paymentOf({ userId: 'u1', amountUnits: 123_400, isInternational: true });
  const views = histories.record(transaction);
  const all = histories.compute(transaction, views);
  const some = new FeatureVectorizer(names).compute(transaction, views);
  assert.deepEqual(
    [...some],
    names.map((name) => all[FEATURE_NAMES.indexOf(name)]),
  );
  assert.deepEqual([...some], [1, Math.fround(12.34), Math.fround(12.34)]);
});

function equalsRecount(steps: readonly Step[]): void {
  const histories = new Histories();
  const naive = new NaiveHistories();
  for (const event of streamOf(steps)) {
    if (event.kind === 'label') {
      histories.label(event.label);
      naive.label(event.label);
    } else if (event.kind === 'transaction') {
      const { transaction } = event;
      const views = histories.record(transaction);
      const user = naive.user(transaction.userId).recordTransaction(transaction);
      const isTerminalKnown = transaction.terminalId !== undefined;
      const terminal = isTerminalKnown
        ? naive.terminal(transaction.terminalId).recordTransaction(transaction)
        : undefined;
      if (!event.isSampled || !user || (isTerminalKnown && !terminal)) continue;
      const found = histories.compute(transaction, views);
      assertSameFeatures(found, naiveFeatures(transaction, user, terminal));
      assert.equal(views.user.position, user.events.length - 1);
    }
  }
}

function viewsStay(steps: readonly Step[]): void {
  const histories = new Histories();
  const checks: (() => void)[] = [];
  for (const event of streamOf(steps)) {
    if (event.kind === 'label') histories.label(event.label);
    else if (event.kind === 'reload') histories.reload();
    else {
      const views = histories.record(event.transaction);
      if (!event.isSampled) continue;
      const atArrival = histories.compute(event.transaction, views);
      checks.push(() => assert.deepEqual(histories.compute(event.transaction, views), atArrival));
    }
  }
  for (const check of checks) check();
}

function assertSameFeatures(found: Float32Array, expected: Record<string, number>): void {
  for (const [index, name] of FEATURE_NAMES.entries()) {
    const want = Math.fround(expected[name]);
    if (!Object.is(found[index], want)) assert.fail(`${name}: ${found[index]}, by recount ${want}`);
  }
}

class NaiveHistories {
  readonly #users = new Map<string, NaiveHistory>();
  readonly #terminals = new Map<string, NaiveHistory>();

  user(id: string): NaiveHistory {
    return entry(this.#users, id, () => new NaiveHistory(REACH_MS.user));
  }

  terminal(id: string): NaiveHistory {
    return entry(this.#terminals, id, () => new NaiveHistory(REACH_MS.terminal));
  }

  label(label: Parameters<NaiveHistory['recordLabel']>[0]): void {
    this.user(label.userId).recordLabel(label);
    if (label.terminalId !== undefined) this.terminal(label.terminalId).recordLabel(label);
  }
}
