import type { Transaction } from '../transaction/transaction.ts';
import type { Lifetime, Window, WindowActivity } from './activity.ts';
import type { FraudTrail } from './fraud-trail.ts';
import type { Habit } from './habit.ts';

export type Entity = 'user' | 'terminal';

/** What a feature may look at. */
export type FeatureScope = {
  readonly transaction: Transaction;
  /** What the feature's entity did before, ever. */
  readonly lifetime: Lifetime;
  /** What it did in the feature's window. */
  readonly window: WindowActivity;
  /** Population standard deviation of the amounts in the feature's window, in major units. */
  readonly amountDeviation: () => number;
  /** What is usual for it, this transaction excluded. */
  readonly habit: Habit;
  /** What is known of its frauds. */
  readonly frauds: FraudTrail;
};

/** One entry of the catalogue. */
export type Feature = {
  readonly name: string;
  readonly unit: string;
  /** For people: what the number says. */
  readonly description: string;
  /** Whose history it looks at; a feature without one looks at the transaction alone. */
  readonly entity?: Entity;
  readonly window?: Window;
  /**
   * For analysts: what the value means, in a sentence without an end, given what other features say (NaN where the model
   * does not take them). Where there is none, the description and what is usual are told.
   */
  readonly says?: (value: number, of: (name: string) => number) => string;
  /** NaN where there is nothing to say; it is shown as null, and models send it down a branch of its own. */
  readonly value: (scope: FeatureScope) => number;
};
