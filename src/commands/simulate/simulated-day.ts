import type { Random } from '../../core/random/random.ts';
import type { FraudStories } from './fraud-stories.ts';
import {
  COMPROMISED_TERMINAL,
  LARGE_AMOUNT,
  LARGE_AMOUNT_LIMIT,
  NO_FRAUD,
  STOLEN_AMOUNT_FACTOR,
  STOLEN_CARD,
  STOLEN_TRANSACTION_SHARE,
} from './fraud-stories.ts';
import { MERCHANT_CATEGORIES } from './merchant-categories.ts';
import type { Population, User } from './population.ts';

export type SimulatedTransaction = {
  /** Indices into the population. */
  readonly user: number;
  readonly terminal: number;
  /** Index into MERCHANT_CATEGORIES. */
  readonly category: number;
  readonly timeOfDayMs: number;
  readonly amount: number;
  readonly isInternational: boolean;
  /** Index into FRAUD_STORIES. */
  readonly story: number;
};

export const DAY_MS = 86_400_000;
const TIME_MEAN_MS = DAY_MS / 2;
const TIME_STANDARD_DEVIATION_MS = 20_000_000;
/** How often a payer looks at another terminal for one of a category that suits. */
const TERMINAL_LOOKS = 3;
/** A thief spends abroad, and in categories that the card's owner does not use, far more than the owner. */
const STOLEN_INTERNATIONAL_SHARE = 0.6;

/** What everybody pays on one day, in the order of time. The stories must have begun the day. */
export function simulateDay(
  random: Random,
  { users, terminals }: Population,
  stories: FraudStories,
): SimulatedTransaction[] {
  const transactions: SimulatedTransaction[] = [];
  for (const [index, user] of users.entries()) {
    for (let left = random.poisson(user.transactionsPerDay); left > 0; left--) {
      const timeOfDayMs = Math.floor(random.normal(TIME_MEAN_MS, TIME_STANDARD_DEVIATION_MS));
      if (timeOfDayMs < 0 || timeOfDayMs >= DAY_MS) continue; // as in the handbook, 3 % are never made
      const isTheft = stories.isStolen(index) && random.chance(STOLEN_TRANSACTION_SHARE);
      const terminal = drawTerminal(random, user, terminals, { usual: !isTheft });
      const { category } = terminals[terminal];
      const ownAmount = drawAmount(random, user, category);
      transactions.push({
        user: index,
        terminal,
        category,
        timeOfDayMs,
        amount: toCents(isTheft ? ownAmount * STOLEN_AMOUNT_FACTOR : ownAmount),
        isInternational: random.chance(isTheft ? STOLEN_INTERNATIONAL_SHARE : user.internationalShare),
        story: storyOf({ ownAmount, isTheft, isCompromised: stories.isCompromised(terminal) }),
      });
    }
  }
  return transactions.sort((one, other) => one.timeOfDayMs - other.timeOfDayMs);
}

function drawTerminal(
  random: Random,
  user: User,
  terminals: Population['terminals'],
  { usual }: { usual: boolean },
): number {
  let terminal = 0;
  for (let look = 0; look < TERMINAL_LOOKS; look++) {
    terminal = user.terminals[random.below(user.terminals.length)];
    const isUsual = (user.usualCategories & (1 << terminals[terminal].category)) !== 0;
    if (isUsual === usual) break;
  }
  return terminal;
}

function drawAmount(random: Random, user: User, category: number): number {
  const level = MERCHANT_CATEGORIES[category].amountLevel;
  const amount = random.normal(user.amountMean, user.amountStandardDeviation);
  return toCents(level * (amount < 0 ? random.between(0, 2 * user.amountMean) : amount));
}

function storyOf(facts: { ownAmount: number; isTheft: boolean; isCompromised: boolean }): number {
  if (facts.isTheft) return STOLEN_CARD;
  if (facts.isCompromised) return COMPROMISED_TERMINAL;
  return facts.ownAmount > LARGE_AMOUNT_LIMIT ? LARGE_AMOUNT : NO_FRAUD;
}

function toCents(amount: number): number {
  return Math.round(amount * 100) / 100;
}
