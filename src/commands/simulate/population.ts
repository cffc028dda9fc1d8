/**
 * Who pays where. After the simulator of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot and Bontempi, 2022,
 * chapter 3): people and terminals at random places of a square, everybody using the terminals near home. Ours besides:
 * a terminal has a merchant category, and a person usual categories and an inclination to pay abroad.
 */

import type { Random } from '../../core/random/random.ts';
import { categoryAt, MERCHANT_CATEGORIES } from './merchant-categories.ts';
import { type Place, terminalsNear } from './terminals-near.ts';

export type Terminal = Place & {
  /** Index into MERCHANT_CATEGORIES. */
  readonly category: number;
};

export type User = Place & {
  readonly amountMean: number;
  readonly amountStandardDeviation: number;
  readonly transactionsPerDay: number;
  readonly internationalShare: number;
  /** Bit `1 << category` of each category that the person mostly pays in. */
  readonly usualCategories: number;
  /** Indices of the terminals that the person uses; at least one. */
  readonly terminals: Int32Array;
};

export type Population = { readonly users: readonly User[]; readonly terminals: readonly Terminal[] };

export const SQUARE_SIDE = 100;
export const REACH = 5;
/** Where terminals stand closer than published, people reach less far, so that what a person takes in memory is bounded. */
const TERMINALS_IN_REACH = 100;
const AMOUNT_MEAN_RANGE = [5, 100] as const;
const TRANSACTIONS_PER_DAY_MAX = 4;
const USUAL_CATEGORY_COUNT = 4;
/** The share is this times a squared uniform number: a third of it, 10 %, on average, and next to nothing for many. */
const INTERNATIONAL_SHARE_MAX = 0.3;

export function createPopulation(random: Random, counts: { users: number; terminals: number }): Population {
  const terminals = Array.from({ length: counts.terminals }, () => createTerminal(random));
  const near = terminalsNear(terminals, { side: SQUARE_SIDE, reach: reachAmong(counts.terminals) });
  const users = Array.from({ length: counts.users }, () => createUser(random, near));
  return { users, terminals };
}

/** The published reach, or the one that has TERMINALS_IN_REACH terminals in its circle on average. */
function reachAmong(terminals: number): number {
  return Math.min(REACH, SQUARE_SIDE * Math.sqrt(TERMINALS_IN_REACH / (Math.PI * terminals)));
}

function createTerminal(random: Random): Terminal {
  return { ...createPlace(random), category: categoryAt(random.unit()) };
}

function createUser(random: Random, near: (place: Place) => Int32Array): User {
  const place = createPlace(random);
  const amountMean = random.between(...AMOUNT_MEAN_RANGE);
  return {
    ...place,
    amountMean,
    amountStandardDeviation: amountMean / 2,
    transactionsPerDay: random.between(0, TRANSACTIONS_PER_DAY_MAX),
    internationalShare: INTERNATIONAL_SHARE_MAX * random.unit() ** 2,
    usualCategories: drawUsualCategories(random),
    terminals: near(place),
  };
}

function createPlace(random: Random): Place {
  return { x: random.between(0, SQUARE_SIDE), y: random.between(0, SQUARE_SIDE) };
}

function drawUsualCategories(random: Random): number {
  const rest = MERCHANT_CATEGORIES.map((_, index) => index);
  let categories = 0;
  for (let drawn = 0; drawn < USUAL_CATEGORY_COUNT; drawn++) {
    const [category] = rest.splice(random.below(rest.length), 1);
    categories |= 1 << category;
  }
  return categories;
}
