import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createRandom, splitmix64, xoshiro128StarStar } from './random.ts';

suite('published vectors', () => {
  test('xoshiro128** from the state 1, 2, 3, 4', () => {
    const next = xoshiro128StarStar([1, 2, 3, 4]);
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    assert.deepEqual(expected.map(next), expected);
    for (let skipped = 0; skipped < 999_990; skipped++) next();
    assert.equal(next(), 3175353485, 'the 1,000,001st, of the reference code in C');
  });

  test('splitmix64 from the seed 1234567', () => {
    const next = splitmix64(1234567n);
    const expected = [
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ];
    assert.deepEqual(expected.map(next), expected);
  });
});

suite('a generator', () => {
  test('repeats itself by seed and stream, and by nothing else', () => {
    const draws = (seed: number, stream: number) => {
      const random = createRandom(seed, stream);
      return Array.from({ length: 4 }, () => random.nextUint32()).join();
    };
    const all = [draws(0, 1), draws(0, 2), draws(1, 1), draws(1, 2), draws(2 ** 32 + 1, 1)];
    assert.equal(draws(1, 2), all[3]);
    assert.equal(new Set(all).size, all.length);
  });

  test('golden: the first draws of seed 1, stream 1', () => {
    const random = createRandom(1, 1);
    assert.deepEqual(
      [random.nextUint32(), random.unit(), random.below(1000), random.normal(0, 1), random.poisson(4)],
      [3304484104, 0.009114661720753703, 825, -0.9477808417929279, 3],
    );
  });
});

suite('distributions, over a million draws', () => {
  const DRAWS = 1_000_000;
  // Each tolerance is four standard errors and more: a right generator of a fixed seed passes for ever.
  const cases: [
    name: string,
    draw: (random: ReturnType<typeof createRandom>) => number,
    mean: number,
    variance: number,
  ][] = [
    ['unit', (random) => random.unit(), 1 / 2, 1 / 12],
    ['between 5 and 100', (random) => random.between(5, 100), 52.5, 95 ** 2 / 12],
    ['below 6', (random) => random.below(6), 2.5, 35 / 12],
    ['normal of 12 and 3', (random) => random.normal(12, 3), 12, 9],
    ['poisson of 0.3', (random) => random.poisson(0.3), 0.3, 0.3],
    ['poisson of 4', (random) => random.poisson(4), 4, 4],
    ['chance of 0.1', (random) => Number(random.chance(0.1)), 0.1, 0.09],
  ];
  for (const [name, draw, mean, variance] of cases) {
    test(name, () => {
      const random = createRandom(7, 1);
      let sum = 0;
      let squares = 0;
      for (let count = 0; count < DRAWS; count++) {
        const deviation = draw(random) - mean;
        sum += deviation;
        squares += deviation * deviation;
      }
      const standardError = Math.sqrt(variance / DRAWS);
      assert(Math.abs(sum / DRAWS) < 4 * standardError, `mean is off by ${sum / DRAWS}`);
      assert(Math.abs(squares / DRAWS / variance - 1) < 0.015, `variance is ${squares / DRAWS}`);
    });
  }

  test('normal has the tails of a normal', () => {
    const random = createRandom(7, 2);
    let beyond = 0;
    for (let count = 0; count < DRAWS; count++) beyond += Number(Math.abs(random.normal(0, 1)) > 2.575829);
    assert(Math.abs(beyond / DRAWS - 0.01) < 0.0005, `${beyond} beyond the 1 % mark`);
  });
});
