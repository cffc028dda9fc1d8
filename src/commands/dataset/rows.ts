/** Where a dataset's rows come from: recorded files, or the event log of a service. */
import { LABEL_FRAUD, LABEL_LEGITIMATE, type RecordedBatch } from '../../adapters/duckdb/recorded-batch.ts';
import type { RecordedTransactions } from '../../adapters/duckdb/recorded-transactions.ts';
import type { EngineSettings } from '../../assembly/engine.ts';
import { readLogInOrder } from '../../assembly/ordered-log.ts';
import { type PendingFraud, PendingLabels } from '../../assembly/recorded-input.ts';
import type { FeatureVectorizer } from '../../core/features/feature-vector.ts';
import { Histories } from '../../core/features/histories.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';

/** Transactions with what is known of them, and the features of each as they were when it happened. */
export type Rows = RecordedBatch & { readonly vectors: readonly Float32Array[] };

/** The features as they would have been served, with labels known `delayMs` after their transaction. */
export async function* rowsOfFiles(
  input: RecordedTransactions,
  delayMs: number,
  vectorizer: FeatureVectorizer,
): AsyncGenerator<Rows> {
  const pass = { histories: new Histories(), pending: new PendingLabels(delayMs), vectorizer };
  let rows = 0;
  for await (const batch of input.batches()) {
    const vectors = batch.transactions.map((_transaction, index) =>
      featuresOf(batch, index, rows + index, pass),
    );
    rows += vectors.length;
    yield { ...batch, vectors };
  }
}

const BATCH_ROWS = 10_000;

/**
 * The features as they were served, or would have been had they been in the catalogue then: every transaction and label
 * is recorded again in the order of the log. A transaction is fraud if its last label says so. All rows are held in memory,
 * about 500 bytes each, because they are written in event-time order.
 */
export async function* rowsOfLog(
  settings: Pick<EngineSettings, 'kafka' | 'dataDirectory'>,
  vectorizer: FeatureVectorizer,
): AsyncGenerator<Rows> {
  const histories = new Histories();
  const rows: { readonly transaction: Transaction; readonly vector: Float32Array }[] = [];
  const frauds = new Set<string>();
  for await (const { event } of readLogInOrder(settings, 'dataset')) {
    if (event.kind === 'decision') {
      const { transaction } = event.decision;
      rows.push({ transaction, vector: vectorizer.compute(transaction, histories.record(transaction)) });
    } else if (event.kind === 'label') {
      histories.recordLabel(event.label);
      if (event.label.isFraud) frauds.add(event.label.transactionId);
      else frauds.delete(event.label.transactionId);
    }
  }
  rows.sort((one, other) => one.transaction.timestampMs - other.transaction.timestampMs);
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    const batch = rows.slice(start, start + BATCH_ROWS);
    const isFraud = ({ transaction }: (typeof batch)[number]) => frauds.has(transaction.transactionId);
    yield {
      transactions: batch.map(({ transaction }) => transaction),
      vectors: batch.map(({ vector }) => vector),
      labels: Uint8Array.from(batch, (row) => (isFraud(row) ? LABEL_FRAUD : LABEL_LEGITIMATE)),
      stories: undefined,
    };
  }
}

type Pass = {
  readonly histories: Histories;
  readonly pending: PendingLabels;
  readonly vectorizer: FeatureVectorizer;
};

function featuresOf(batch: RecordedBatch, index: number, ordinal: number, pass: Pass): Float32Array {
  const transaction = batch.transactions[index];
  for (;;) {
    const fraud = pass.pending.takeKnown(transaction.timestampMs);
    if (!fraud) break;
    pass.histories.recordLabel(toKnownLabel(fraud));
  }
  pass.pending.add(batch, index, ordinal);
  return pass.vectorizer.compute(transaction, pass.histories.record(transaction));
}

function toKnownLabel({ transaction, knownAtMs }: PendingFraud): KnownLabel {
  const { transactionId, userId, terminalId, timestampMs } = transaction;
  const verdict = { isFraud: true, previousIsFraud: false, knownAtMs };
  const places = { userPosition: undefined, terminalPosition: undefined };
  return { ...verdict, ...places, transactionId, userId, terminalId, transactionTimestampMs: timestampMs };
}
