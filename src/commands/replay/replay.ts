/**
 * Recorded transactions through the lane, with labels in between: a label that is known at a transaction's event time
 * reaches the log before that transaction does.
 *
 *   file -> chunk, chunk, chunk -> lane -> decided, in order
 *             ^ labels known by now
 */
import type { RecordedBatch } from '../../adapters/duckdb/recorded-batch.ts';
import type { RecordedTransactions } from '../../adapters/duckdb/recorded-transactions.ts';
import { type Engine, now } from '../../assembly/engine.ts';
import { type PendingFraud, PendingLabels } from '../../assembly/recorded-input.ts';
import type { Outcome } from '../../core/decision/decision.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { Verdict } from '../../pipeline/verdict.ts';

/** Transactions that go into the lane together: enough to make the log's writes large. */
const CHUNK = 512;
/** Chunks in the lane at once, so that deciding goes on while the log writes. */
const MAX_IN_FLIGHT = 8;

export type Decided = {
  readonly transactions: readonly Transaction[];
  readonly verdicts: readonly Verdict[];
  readonly labels: readonly (boolean | null)[];
};

export type ReplaySummary = {
  transactions: number;
  repeats: number;
  conflicts: number;
  outOfOrder: number;
  labels: number;
  readonly outcomes: Record<Outcome, number>;
  seconds: number;
};

export type ReplayContext = {
  readonly engine: Engine;
  readonly input: RecordedTransactions;
  readonly delayMs: number;
  readonly onDecided: (decided: Decided) => Promise<void>;
  readonly onProgress: (transactions: number) => void;
};

export async function replay(context: ReplayContext): Promise<ReplaySummary> {
  const feed = new Feed(context);
  const startedAtMs = performance.now();
  for await (const batch of context.input.batches()) await feed.take(batch);
  await feed.finish();
  feed.summary.seconds = (performance.now() - startedAtMs) / 1000;
  return feed.summary;
}

class Feed {
  readonly summary: ReplaySummary = {
    transactions: 0,
    repeats: 0,
    conflicts: 0,
    outOfOrder: 0,
    labels: 0,
    outcomes: { approve: 0, review: 0, decline: 0 },
    seconds: 0,
  };
  readonly #context: ReplayContext;
  readonly #pending: PendingLabels;
  #chunk: Transaction[] = [];
  #chunkLabels: (boolean | null)[] = [];
  #known: PendingFraud[] = [];
  #taken = 0;
  /** Results of the chunks in the lane, oldest first. */
  readonly #inFlight: Promise<Decided>[] = [];

  constructor(context: ReplayContext) {
    this.#context = context;
    this.#pending = new PendingLabels(context.delayMs);
  }

  async take(batch: RecordedBatch): Promise<void> {
    for (let index = 0; index < batch.transactions.length; index++) {
      const transaction = batch.transactions[index];
      if (this.#pending.hasKnown(transaction.timestampMs)) await this.#learnUntil(transaction.timestampMs);
      this.#pending.add(batch, index, this.#taken++);
      this.#chunk.push(transaction);
      const label = batch.labels?.[index];
      this.#chunkLabels.push(label === undefined || label > 1 ? null : label === 1);
      if (this.#chunk.length === CHUNK) await this.#submit();
    }
  }

  async finish(): Promise<void> {
    await this.#submit();
    while (this.#inFlight.length > 0) await this.#collect();
  }

  /** Labels of transactions that are still in the chunk make it leave first. */
  async #learnUntil(timeMs: number): Promise<void> {
    for (let fraud = this.#pending.takeKnown(timeMs); fraud; fraud = this.#pending.takeKnown(timeMs)) {
      if (fraud.ordinal >= this.#taken - this.#chunk.length) await this.#submit();
      this.#known.push(fraud);
    }
  }

  async #submit(): Promise<void> {
    const { lane } = this.#context.engine;
    const labels = this.#known.map(({ transaction, knownAtMs }) => {
      return { transactionId: transaction.transactionId, isFraud: true, knownAtMs };
    });
    const learned = labels.length === 0 ? undefined : lane.learn(labels);
    this.summary.labels += labels.length;
    this.#known = [];
    const transactions = this.#chunk;
    const chunkLabels = this.#chunkLabels;
    this.#chunk = [];
    this.#chunkLabels = [];
    const arrivedAtMs = now();
    const verdicts = lane.decide(transactions.map((transaction) => ({ transaction, arrivedAtMs })));
    this.#inFlight.push(
      Promise.all([verdicts, learned]).then(([settled]) => ({
        transactions,
        verdicts: settled,
        labels: chunkLabels,
      })),
    );
    if (this.#inFlight.length >= MAX_IN_FLIGHT) await this.#collect();
  }

  async #collect(): Promise<void> {
    const decided = await this.#inFlight.shift()!;
    for (const verdict of decided.verdicts) this.#count(verdict);
    await this.#context.onDecided(decided);
    this.#context.onProgress(this.summary.transactions);
  }

  #count(verdict: Verdict): void {
    this.summary.transactions++;
    if (verdict.kind === 'conflict') {
      this.summary.conflicts++;
      return;
    }
    if (verdict.isRepeat) this.summary.repeats++;
    if (verdict.decision.isOutOfOrder) this.summary.outOfOrder++;
    this.summary.outcomes[verdict.decision.outcome]++;
  }
}
