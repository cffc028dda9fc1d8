/**
 * The handbook's three stories of fraud. (1) An amount above 220 is fraud. (2) Every day 2 of 10,000 terminals fall to
 * criminals, and for 28 days everything paid there is fraud. (3) Every day the cards of 3 of 5,000 people are stolen, and
 * for 14 days a third of their payments, five times as high, is fraud.
 *
 * Where stories meet, the later number tells it. Unlike in the handbook, the stories began long before the first day, so
 * that fraud is as frequent on the first day as on the last.
 */

import type { Random } from '../../core/random/random.ts';
import type { Population } from './population.ts';

export const FRAUD_STORIES = ['none', 'large_amount', 'compromised_terminal', 'stolen_card'] as const;
export const [NO_FRAUD, LARGE_AMOUNT, COMPROMISED_TERMINAL, STOLEN_CARD] = [0, 1, 2, 3] as const;

export const LARGE_AMOUNT_LIMIT = 220;
const COMPROMISED_DAYS = 28;
const COMPROMISED_TERMINALS_PER_DAY = 2 / 10_000;
const STOLEN_DAYS = 14;
const STOLEN_CARDS_PER_DAY = 3 / 5_000;
export const STOLEN_TRANSACTION_SHARE = 1 / 3;
export const STOLEN_AMOUNT_FACTOR = 5;

export type FraudStories = {
  /** To be called for every day from 0 on, before the day is asked about. */
  readonly beginDay: (day: number) => void;
  readonly isCompromised: (terminal: number) => boolean;
  readonly isStolen: (user: number) => boolean;
};

export function createFraudStories(random: Random, { users, terminals }: Population): FraudStories {
  const compromised = createVictims(COMPROMISED_DAYS, terminals.length);
  const stolen = createVictims(STOLEN_DAYS, users.length);
  const terminalsInUse = inUse(users);
  let today = 0;

  const beginDay = (day: number) => {
    today = day;
    for (let left = countOfDay(day, terminals.length * COMPROMISED_TERMINALS_PER_DAY); left > 0; left--) {
      compromised.add(terminalsInUse[random.below(terminalsInUse.length)], day);
    }
    for (let left = countOfDay(day, users.length * STOLEN_CARDS_PER_DAY); left > 0; left--) {
      stolen.add(random.below(users.length), day);
    }
  };
  for (let day = 1 - COMPROMISED_DAYS; day < 0; day++) beginDay(day);

  return {
    beginDay,
    isCompromised: (terminal) => compromised.has(terminal, today),
    isStolen: (user) => stolen.has(user, today),
  };
}

/**
 * How many of `perDay`, which may be less than one, fall on the day; never none on day 0, so that there is fraud in the
 * smallest simulation.
 */
function countOfDay(day: number, perDay: number): number {
  return Math.ceil((day + 1) * perDay) - Math.ceil(day * perDay);
}

/** A terminal that nobody uses can be compromised for ever without a fraud. */
function inUse(users: Population['users']): readonly number[] {
  const terminals = new Set<number>();
  for (const user of users) {
    for (const terminal of user.terminals) terminals.add(terminal);
  }
  return [...terminals];
}

/** Asked about days from 0 on only: nobody's first free day is earlier. */
function createVictims(durationDays: number, count: number) {
  const firstFreeDay = new Int32Array(count);
  return {
    add: (victim: number, day: number) => {
      firstFreeDay[victim] = day + durationDays;
    },
    has: (victim: number, day: number) => day < firstFreeDay[victim],
  };
}
