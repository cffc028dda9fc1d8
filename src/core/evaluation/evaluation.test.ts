import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bootstrapUsers } from './bootstrap.ts';
import { brierScore, calibrationError, calibrationOf } from './calibration.ts';
import { bestCardPrecision, cardPrecision } from './card-precision.ts';
import { curveOf, measureQuality } from './quality.ts';
import { EvaluationError, rank } from './ranking.ts';

type Case = Record<'scores' | 'is_fraud' | 'rates' | 'recall_at', number[]> &
  Record<'auc' | 'average_precision' | 'brier', number>;
const CASES: Case[] = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/quality.json', import.meta.url), 'utf8'),
);

const near = (one: number, other: number) =>
  assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);
const measured = (rows: readonly { readonly score: number; readonly isFraud: boolean }[]) => {
  const scores = Float64Array.from(rows, ({ score }) => score);
  const isFraud = Uint8Array.from(rows, (row) => Number(row.isFraud));
  return { scores, isFraud, ranking: rank(scores, isFraud) };
};
/** With at least one of each class, and many ties. */
const arbitraryRows = fc
  .array(
    fc.record({ score: fc.integer({ min: 0, max: 9 }).map((tenths) => tenths / 10), isFraud: fc.boolean() }),
    {
      minLength: 0,
      maxLength: 60,
    },
  )
  .map((rows) => [...rows, { score: 0.35, isFraud: true }, { score: 0.4, isFraud: false }]);

describe('quality', () => {
  for (const [index, one] of CASES.entries()) {
    test(`is what scikit-learn says, case ${index + 1}`, () => {
      const scores = Float64Array.from(one.scores);
      const isFraud = Uint8Array.from(one.is_fraud);
      const { auc, averagePrecision, recallAt } = measureQuality(rank(scores, isFraud), one.rates);
      near(auc, one.auc);
      near(averagePrecision, one.average_precision);
      for (const [rate, recall] of one.recall_at.entries()) near(recallAt[rate], recall);
      near(brierScore(scores, isFraud), one.brier);
    });
  }

  test('the AUC is the share of pairs of a fraud and a legitimate payment in the right order', () => {
    fc.assert(
      fc.property(arbitraryRows, (rows) => {
        const frauds = rows.filter(({ isFraud }) => isFraud);
        const legitimate = rows.filter(({ isFraud }) => !isFraud);
        const pairs = frauds.flatMap((fraud) =>
          legitimate.map(({ score }) => (fraud.score > score ? 1 : fraud.score === score ? 0.5 : 0)),
        );
        const share = pairs.reduce<number>((sum, pair) => sum + pair, 0) / pairs.length;
        near(measureQuality(measured(rows).ranking, []).auc, share);
      }),
    );
  });

  test('a row that counts three times is three rows', () => {
    fc.assert(
      fc.property(arbitraryRows, fc.infiniteStream(fc.nat(3)), (rows, stream) => {
        const times = rows.map(() => stream.next().value as number);
        times[rows.length - 1] = times[rows.length - 2] = 1;
        const repeated = rows.flatMap((row, index) => new Array<typeof row>(times[index]).fill(row));
        const weighted = measureQuality(measured(rows).ranking, [0.1], Uint16Array.from(times));
        assert.deepEqual(weighted, measureQuality(measured(repeated).ranking, [0.1]));
      }),
    );
  });

  test('the curve ends where everything is alerted, and never falls', () => {
    const { scores, is_fraud } = CASES[1];
    const curve = curveOf(rank(Float64Array.from(scores), Uint8Array.from(is_fraud)));
    const last = curve.at(-1)!;
    assert.deepEqual([last.recall, last.falsePositiveRate], [1, 1]);
    for (let index = 1; index < curve.length; index++)
      assert.ok(curve[index].recall >= curve[index - 1].recall);
  });

  const row = (score: number, isFraud: boolean) => ({ score, isFraud });
  for (const [name, rows, says] of [
    ['no rows', [], /no payments/],
    ['no fraud', [row(1, false)], /none of the 1 payments is fraud/],
    ['nothing but fraud', [row(1, true)], /all of the 1 payments are fraud/],
    ['a score that is no number', [row(Number.NaN, true), row(0, false)], /row 0 is not a number/],
  ] as const) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => measured(rows),
        (error) => error instanceof EvaluationError && says.test(error.message),
      );
    });
  }
});

describe('card precision', () => {
  // Day 0: card 1 scores .9 and is compromised by another payment, card 2 is not, card 3 is. Day 1: 1 again, 2 compromised.
  const payments = {
    days: [0, 0, 0, 0, 1, 1, 1],
    cards: [1, 1, 2, 3, 1, 2, 3],
    scores: [0.9, 0.1, 0.8, 0.7, 0.9, 0.5, 0.4],
    isFraud: [0, 1, 0, 1, 1, 1, 0],
  };

  test('looks at the greatest score a card, and a found card is left out of later days', () => {
    // Of two cards a day: 1 (found) and 2 (not); then, without 1, cards 2 (found) and 3 (not).
    assert.equal(cardPrecision(payments, 2), (1 / 2 + 1 / 2) / 2);
  });

  test('at its best finds every compromised card once', () => {
    assert.equal(bestCardPrecision(payments, 2), (2 / 2 + 1 / 2) / 2);
  });
});

describe('calibration', () => {
  const rows = Array.from({ length: 1000 }, (_, index) => {
    const score = ((index % 10) + 0.5) / 10;
    return { score, isFraud: Math.floor(index / 10) % 100 < score * 100 };
  });

  test('of scores that mean what they say is on the diagonal, and within its intervals', () => {
    const bins = calibrationOf(measured(rows).ranking, 5);
    for (const { meanScore, rate, low, high } of bins) {
      assert.ok(Math.abs(meanScore - rate) < 0.011, `${meanScore} and ${rate}`);
      assert.ok(low < rate && rate < high);
    }
    assert.equal(
      bins.reduce((sum, { count }) => sum + count, 0),
      rows.length,
    );
    assert.ok(calibrationError(bins) < 0.011);
  });

  test('of scores that are twice too low is off by as much', () => {
    const halved = rows.map(({ score, isFraud }) => ({ score: score / 2, isFraud }));
    assert.ok(Math.abs(calibrationError(calibrationOf(measured(halved).ranking, 5)) - 0.25) < 0.011);
  });
});

describe('bootstrap by user', () => {
  const users = Uint32Array.from({ length: 4000 }, (_, row) => Math.floor(row / 10));

  test('knows that ten equal payments of a user are one observation', () => {
    // Each user pays all or nothing: the share's standard error is that of 400 coins, not of 4,000.
    const values = Array.from(users, (user) => user % 2);
    const [{ low, high }] = bootstrapUsers(users, { replicates: 400, seed: 1 }, (weights) => {
      let [sum, all] = [0, 0];
      weights.forEach((weight, row) => {
        sum += weight * values[row];
        all += weight;
      });
      return [sum / all];
    });
    const expected = 2 * 1.96 * Math.sqrt(0.25 / 400);
    assert.ok(Math.abs(high - low - expected) < 0.2 * expected, `${high - low} is not about ${expected}`);
  });

  test('is the same for the same seed', () => {
    const measure = (weights: Uint16Array) => [weights[0] + weights[4000 - 1]];
    const once = bootstrapUsers(users, { replicates: 50, seed: 3 }, measure);
    assert.deepEqual(bootstrapUsers(users, { replicates: 50, seed: 3 }, measure), once);
  });
});
