import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createRandom } from '../../core/random/random.ts';
import {
  COMPROMISED_TERMINAL,
  createFraudStories,
  LARGE_AMOUNT,
  LARGE_AMOUNT_LIMIT,
  NO_FRAUD,
  STOLEN_CARD,
} from './fraud-stories.ts';
import { MERCHANT_CATEGORIES } from './merchant-categories.ts';
import { createPopulation, REACH, SQUARE_SIDE } from './population.ts';
import { simulateDays } from './simulate.ts';
import { DAY_MS, type SimulatedTransaction } from './simulated-day.ts';
import { terminalsNear } from './terminals-near.ts';

/** A fifth of the handbook's world, over three months. */
const OPTIONS = { users: 1000, terminals: 2000, days: 90, seed: 1 };
const population = createPopulation(createRandom(OPTIONS.seed, 1), OPTIONS);
type Payment = SimulatedTransaction & { readonly day: number };
const payments: Payment[] = Array.from(simulateDays(OPTIONS)).flatMap(({ day, payments }) =>
  payments.map((payment) => ({ ...payment, day })),
);

/**
 * The mean of an amount against the payer's: of N(1, 0.5) the 2.28 % below zero are replaced by U(0, 2), whose mean is 1.
 * E[N; N > 0] = Φ(2) + 0.5 φ(2) = 0.9772 + 0.0270, and 0.0228 · 1.
 */
const REDRAWN_MEAN = 1.027;

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const shareOf = (of: readonly Payment[], holds: (payment: Payment) => boolean) =>
  mean(of.map((p) => Number(holds(p))));
const told = (story: number) => payments.filter((payment) => payment.story === story);

function assertNear(found: number, expected: number, tolerance: number): void {
  assert(Math.abs(found - expected) <= tolerance, `found ${found}, expected ${expected} within ${tolerance}`);
}

suite('the population', () => {
  const { users, terminals } = population;

  test('is spread evenly, with the published means', () => {
    assertNear(mean([...users, ...terminals].map(({ x }) => x)), SQUARE_SIDE / 2, 2);
    assertNear(mean([...users, ...terminals].map(({ y }) => y)), SQUARE_SIDE / 2, 2);
    assertNear(mean(users.map(({ amountMean }) => amountMean)), 52.5, 3);
    assertNear(mean(users.map(({ transactionsPerDay }) => transactionsPerDay)), 2, 0.12);
    assert(
      users.every(({ amountMean: amount, amountStandardDeviation: deviation }) => deviation === amount / 2),
    );
  });

  test('uses exactly the terminals in reach, or else the nearest', () => {
    const sparse = terminals.slice(0, 150);
    const near = terminalsNear(sparse, { side: SQUARE_SIDE, reach: REACH });
    let lonely = 0;
    for (const user of users) {
      const distances = sparse.map(({ x, y }) => Math.hypot(x - user.x, y - user.y));
      const inReach = distances.flatMap((distance, index) => (distance < REACH ? [index] : []));
      const nearest = distances.indexOf(Math.min(...distances));
      if (inReach.length === 0) lonely++;
      assert.deepEqual(
        [...near(user)].sort((a, b) => a - b),
        inReach.length > 0 ? inReach : [nearest],
      );
    }
    assert(lonely > 100 && lonely < 900, `${lonely} have no terminal in reach`);
  });

  test('has terminals of every category, by share', () => {
    for (const [index, { name, share }] of MERCHANT_CATEGORIES.entries()) {
      const found = mean(terminals.map(({ category }) => Number(category === index)));
      assert(Math.abs(found - share) < 0.03, `${name}: ${found}`);
    }
  });

  test('reaches less far where terminals stand closer', () => {
    const dense = createPopulation(createRandom(1, 1), { users: 200, terminals: 60_000 });
    const reached = mean(dense.users.map((user) => user.terminals.length));
    assert(reached > 80 && reached < 105, `${reached} terminals in reach`);
  });
});

suite('payments', () => {
  test('are as many as the means say, but for those that fall outside of the day', () => {
    const expected = population.users.reduce((sum, user) => sum + user.transactionsPerDay, 0) * OPTIONS.days;
    assertNear(payments.length / expected, 0.9692, 0.01); // P(|Z| < 43,200 / 20,000)
  });

  test('are made around noon', () => {
    const hours = payments.map(({ timeOfDayMs }) => timeOfDayMs / 3_600_000);
    const variance = mean(hours.map((hour) => (hour - 12) ** 2));
    assertNear(mean(hours), 12, 0.1);
    assertNear(Math.sqrt(variance), 5.06, 0.1); // 5.56 h, cut off at both midnights
    assert(payments.every(({ timeOfDayMs }) => timeOfDayMs >= 0 && timeOfDayMs < DAY_MS));
  });

  test('are of the payer’s usual amount, by category', () => {
    const honest = payments.filter(({ story }) => story === NO_FRAUD || story === LARGE_AMOUNT);
    for (const [index, { name, amountLevel }] of MERCHANT_CATEGORIES.entries()) {
      const there = honest.filter(({ category }) => category === index);
      const levels = there.map(({ amount, user }) => amount / population.users[user].amountMean);
      // The 2.3 % that were negative are drawn anew: 1 + 0.5 φ(2) + 0.0228.. · (1 - E[Z < -2]) = 1.027
      assert(
        Math.abs(mean(levels) / amountLevel - 1.027) < 0.02,
        `${name}: ${mean(levels)} for ${amountLevel}`,
      );
    }
  });

  test('are abroad a tenth of the time, by person', () => {
    const honest = payments.filter(({ story }) => story !== STOLEN_CARD);
    assertNear(
      shareOf(honest, ({ isInternational }) => isInternational),
      0.1,
      0.02,
    );
    const expected = mean(honest.map(({ user }) => population.users[user].internationalShare));
    assertNear(
      shareOf(honest, ({ isInternational }) => isInternational),
      expected,
      0.005,
    );
  });

  test('are made at terminals that the payer uses', () => {
    assert(payments.every(({ user, terminal }) => population.users[user].terminals.includes(terminal)));
  });
});

suite('fraud', () => {
  test('is 0.8 to 1 % in all, and no rarer in the first week', () => {
    const isFraud = ({ story }: Payment) => story !== NO_FRAUD;
    assertNear(shareOf(payments, isFraud), 0.0092, 0.0018);
    assertNear(
      shareOf(
        payments.filter(({ day }) => day < 7),
        isFraud,
      ),
      0.0092,
      0.004,
    );
  });

  test('story 1: every amount above the limit, and nothing else', () => {
    assert(told(LARGE_AMOUNT).length > 20);
    assert(told(LARGE_AMOUNT).every(({ amount }) => amount > LARGE_AMOUNT_LIMIT));
    assert(told(NO_FRAUD).every(({ amount }) => amount <= LARGE_AMOUNT_LIMIT));
  });

  test('story 2: everything paid at a compromised terminal', () => {
    const { isCompromisedOn } = replayStories();
    assert(told(COMPROMISED_TERMINAL).length > 300);
    for (const { terminal, day, story } of payments) {
      if (story === STOLEN_CARD) continue;
      assert.equal(
        story === COMPROMISED_TERMINAL,
        isCompromisedOn(terminal, day),
        `${terminal} on day ${day}`,
      );
    }
  });

  test('story 3: a third of what is paid with a stolen card, five times as high', () => {
    const { isStolenOn } = replayStories();
    const stolen = told(STOLEN_CARD);
    assert(stolen.every(({ user, day }) => isStolenOn(user, day)));
    const whileStolen = payments.filter(({ user, day }) => isStolenOn(user, day));
    assertNear(
      shareOf(whileStolen, ({ story }) => story === STOLEN_CARD),
      1 / 3,
      0.04,
    );
    const levels = stolen.map(
      ({ amount, user, category }) =>
        amount / population.users[user].amountMean / MERCHANT_CATEGORIES[category].amountLevel,
    );
    assertNear(mean(levels), 5 * REDRAWN_MEAN, 0.4);
  });

  test('terminals fall for 28 days and cards for 14, as many as the published rates say', () => {
    const { isCompromisedOn, isStolenOn } = replayStories();
    const terminals = spells(isCompromisedOn, OPTIONS.terminals);
    assert.equal(Math.min(...terminals.lengths), 28);
    assertNear(terminals.atOnce, 28 * OPTIONS.terminals * (2 / 10_000), 0.6);
    const cards = spells(isStolenOn, OPTIONS.users);
    assert.equal(Math.min(...cards.lengths), 14);
    assertNear(cards.atOnce, 14 * OPTIONS.users * (3 / 5_000), 0.6);
  });

  test('a thief pays abroad and in unusual categories', () => {
    const isUnusual = ({ user, category }: Payment) =>
      (population.users[user].usualCategories & (1 << category)) === 0;
    const [stolen, own] = [told(STOLEN_CARD), told(NO_FRAUD)];
    assertNear(
      shareOf(stolen, ({ isInternational }) => isInternational),
      0.6,
      0.08,
    );
    assert(shareOf(stolen, isUnusual) > 0.75, `${shareOf(stolen, isUnusual)} of thefts`);
    assert(shareOf(own, isUnusual) < 0.25, `${shareOf(own, isUnusual)} of honest payments`);
  });
});

type IsVictimOn = (index: number, day: number) => boolean;

/** The stories of the same seed once more, told to the end and remembered. */
function replayStories(): { isCompromisedOn: IsVictimOn; isStolenOn: IsVictimOn } {
  const stories = createFraudStories(createRandom(OPTIONS.seed, 2), population);
  const compromised: boolean[][] = [];
  const stolen: boolean[][] = [];
  for (let day = 0; day < OPTIONS.days; day++) {
    stories.beginDay(day);
    compromised.push(population.terminals.map((_, terminal) => stories.isCompromised(terminal)));
    stolen.push(population.users.map((_, user) => stories.isStolen(user)));
  }
  return {
    isCompromisedOn: (terminal, day) => compromised[day][terminal],
    isStolenOn: (user, day) => stolen[day][user],
  };
}

/** The lengths in days of the spells that began and ended within the simulation, and how many victims a day has. */
function spells(isVictimOn: IsVictimOn, count: number): { lengths: number[]; atOnce: number } {
  const lengths: number[] = [];
  let victimDays = 0;
  for (let victim = 0; victim < count; victim++) {
    let began = isVictimOn(victim, 0) ? Number.NaN : 0;
    for (let day = 0; day < OPTIONS.days; day++) {
      const [was, is] = [day > 0 && isVictimOn(victim, day - 1), isVictimOn(victim, day)];
      if (is) victimDays++;
      if (is && !was && day > 0) began = day;
      if (was && !is && !Number.isNaN(began)) lengths.push(day - began);
    }
  }
  return { lengths, atOnce: victimDays / OPTIONS.days };
}
