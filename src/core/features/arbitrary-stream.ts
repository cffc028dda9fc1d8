/**
 * The tests' random streams: payments of a few users at a few terminals, single and in bursts, in and out of order,
 * some delivered twice; labels, their corrections and redeliveries; moments at which a store reloads its histories.
 */
import fc from 'fast-check';
import type { TerminalId, TransactionId, UserId } from '../transaction/ids.ts';
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { FEATURE_NAMES } from './catalogue.ts';
import { EntityHistory, type HistoryView } from './entity-history.ts';
import { FeatureVectorizer, REACH_MS } from './feature-vector.ts';

export type StreamEvent =
  | { readonly kind: 'transaction'; readonly transaction: Transaction; readonly isSampled: boolean }
  | { readonly kind: 'label'; readonly label: KnownLabel }
  | { readonly kind: 'reload' };

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2024, 1, 27, 23, 30);
const CATEGORIES = ['grocery', 'fuel', 'travel'];

const gapMs = fc.oneof(
  fc.constantFrom(0, 1, 999, 59_999, MINUTE, 30 * MINUTE - 1, 30 * MINUTE, HOUR, DAY - 1, DAY, 7 * DAY),
  fc.constantFrom(30 * DAY - 1, 30 * DAY, 31 * DAY, 32 * DAY, 37 * DAY, 38 * DAY, 39 * DAY, 200 * DAY),
  fc.integer({ min: 0, max: 2 * MINUTE }),
  fc.integer({ min: 0, max: 3 * HOUR }),
  fc.integer({ min: 0, max: 3 * DAY }),
);
const lateMs = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  fc.constantFrom(1, MINUTE, 30 * MINUTE, DAY, 7 * DAY, 30 * DAY, 31 * DAY, 32 * DAY, 38 * DAY, 100 * DAY),
  // Around the ends of reach: 31 days before the newest for a user, 38 for a terminal.
  fc
    .tuple(fc.constantFrom(31 * DAY, 38 * DAY), fc.integer({ min: -40, max: 70 }))
    .map(([days, minutes]) => days + minutes * MINUTE),
  fc.integer({ min: 0, max: 2 * HOUR }),
  fc.integer({ min: 0, max: 40 * DAY }),
);
const burst = fc.oneof(
  { weight: 6, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 2, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 490, max: 600 }) },
);
const amountUnits = fc.oneof(
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.constantFrom(0, 1, 123_400, 2 ** 32 - 1, 2 ** 32, 10 ** 13),
);

const pay = fc.record({
  kind: fc.constant('pay' as const),
  user: fc.integer({ min: 0, max: 1 }),
  terminal: fc.integer({ min: 0, max: 2 }),
  category: fc.integer({ min: 0, max: 2 }),
  isInternational: fc.boolean(),
  amountUnits,
  gapMs,
  lateMs,
  /** How many in a row come late, and as many in order. */
  lateRun: fc.constantFrom(1, 4),
  times: burst,
  everyMs: fc.constantFrom(0, 1, 100, SECOND, 10 * SECOND, 3 * MINUTE, 20 * MINUTE, HOUR, 3 * HOUR),
});
const label = fc.record({
  kind: fc.constant('label' as const),
  back: fc.nat(700),
  isFraud: fc.boolean(),
  delayMs: gapMs,
  /** More than one turns the verdict around each time. */
  times: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 600 })),
});
const again = fc.record({
  kind: fc.constantFrom('again' as const, 'labelAgain' as const),
  back: fc.nat(700),
});
const reload = fc.record({ kind: fc.constant('reload' as const) });

type Pay = typeof pay extends fc.Arbitrary<infer Step> ? Step : never;
type Relabel = typeof label extends fc.Arbitrary<infer Step> ? Step : never;
export type Step = Pay | Relabel | { kind: 'again' | 'labelAgain'; back: number } | { kind: 'reload' };

/** What a stream is made from; a counterexample is printed as these. */
export const arbitrarySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    { weight: 6, arbitrary: pay },
    { weight: 4, arbitrary: label },
    { weight: 2, arbitrary: again },
    { weight: 2, arbitrary: reload },
  ),
  { minLength: 2, maxLength: 25 },
);

export function streamOf(steps: readonly Step[]): readonly StreamEvent[] {
  return new Stream().expand(steps);
}

class Stream {
  readonly #events: StreamEvent[] = [];
  readonly #transactions: Transaction[] = [];
  readonly #labels: KnownLabel[] = [];
  readonly #beliefs = new Map<string, KnownLabel>();
  #clockMs = START;

  expand(steps: readonly Step[]): readonly StreamEvent[] {
    for (const step of steps) {
      if (step.kind === 'pay') this.#pay(step);
      else if (step.kind === 'label') this.#label(step);
      else if (step.kind === 'reload') this.#events.push({ kind: 'reload' });
      else this.#again(step.kind, step.back);
    }
    return this.#events;
  }

  #pay(step: Pay): void {
    this.#clockMs += step.gapMs;
    for (let index = 0; index < step.times; index++) {
      if (index > 0) this.#clockMs += step.everyMs;
      const isLate = Math.floor(index / step.lateRun) % 2 === 0;
      const transaction: Transaction = {
        transactionId: `t${this.#transactions.length}` as TransactionId,
        userId: `user-${step.user}` as UserId,
        terminalId: step.terminal === 2 ? undefined : (`terminal-${step.terminal}` as TerminalId),
        amountUnits: Math.max(0, step.amountUnits - (index % 7) * 1111),
        currency: undefined,
        merchantCategory: CATEGORIES[(step.category + Number(index % 5 === 4)) % 3],
        isInternational: step.isInternational,
        timestampMs: this.#clockMs - (isLate ? step.lateMs : 0),
        metadataJson: undefined,
      };
      this.#transactions.push(transaction);
      const isSampled = index < 2 || index % 97 === 0 || index === step.times - 1;
      this.#events.push({ kind: 'transaction', transaction, isSampled });
    }
  }

  #label(step: Relabel): void {
    const transaction = this.#transactions.at(-1 - (step.back % Math.max(1, this.#transactions.length)));
    if (!transaction) return;
    for (let index = 0; index < step.times; index++) {
      const previous = this.#beliefs.get(transaction.transactionId);
      const { transactionId, userId, terminalId, timestampMs } = transaction;
      const knownAtMs = timestampMs + step.delayMs + Math.floor(index / 3) * SECOND;
      const known: KnownLabel = {
        transactionId,
        userId,
        terminalId,
        isFraud: step.isFraud === (index % 2 === 0),
        previousIsFraud: previous?.isFraud ?? false,
        knownAtMs: Math.max(knownAtMs, previous?.knownAtMs ?? 0),
        transactionTimestampMs: timestampMs,
        userPosition: undefined,
        terminalPosition: undefined,
      };
      this.#beliefs.set(transactionId, known);
      this.#labels.push(known);
      this.#events.push({ kind: 'label', label: known });
    }
  }

  #again(kind: 'again' | 'labelAgain', back: number): void {
    if (kind === 'again') {
      const transaction = this.#transactions.at(-1 - (back % Math.max(1, this.#transactions.length)));
      if (transaction) this.#events.push({ kind: 'transaction', transaction, isSampled: true });
    } else {
      const redelivered = this.#labels.at(-1 - (back % Math.max(1, this.#labels.length)));
      if (redelivered) this.#events.push({ kind: 'label', label: redelivered });
    }
  }
}

/** All histories of a stream, and every feature of the catalogue computed from them. */
export class Histories {
  readonly #users = new Map<string, EntityHistory>();
  readonly #terminals = new Map<string, EntityHistory>();
  readonly #vectorizer = new FeatureVectorizer(FEATURE_NAMES);

  user(id: string): EntityHistory {
    return entry(this.#users, id, () => new EntityHistory(REACH_MS.user));
  }

  terminal(id: string): EntityHistory {
    return entry(this.#terminals, id, () => new EntityHistory(REACH_MS.terminal));
  }

  record(transaction: Transaction): { user: HistoryView; terminal: HistoryView | undefined } {
    const { userId, terminalId } = transaction;
    const user = this.user(userId).recordTransaction(transaction, terminalId);
    const terminal =
      terminalId === undefined ? undefined : this.terminal(terminalId).recordTransaction(transaction, userId);
    return { user, terminal };
  }

  label(known: KnownLabel): void {
    this.user(known.userId).recordLabel(known);
    if (known.terminalId !== undefined) this.terminal(known.terminalId).recordLabel(known);
  }

  compute(
    transaction: Transaction,
    views: { user: HistoryView; terminal: HistoryView | undefined },
  ): Float32Array {
    return this.#vectorizer.compute(transaction, views);
  }

  /** As a store does that writes every history out and reads it back. */
  reload(): void {
    for (const [id, history] of this.#users) {
      this.#users.set(id, new EntityHistory(REACH_MS.user, history.toBytes()));
    }
    for (const [id, history] of this.#terminals) {
      this.#terminals.set(id, new EntityHistory(REACH_MS.terminal, history.toBytes()));
    }
  }

  toBytes(): Record<string, string> {
    const all = [...this.#users, ...this.#terminals];
    return Object.fromEntries(
      all.map(([id, history]) => [id, Buffer.from(history.toBytes()).toString('hex')]),
    );
  }
}

export function entry<Value>(map: Map<string, Value>, key: string, create: () => Value): Value {
  const value = map.get(key) ?? create();
  map.set(key, value);
  return value;
}
