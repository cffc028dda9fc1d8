import { LABEL_FRAUD, LABEL_UNKNOWN, type RecordedBatch } from '../../adapters/duckdb/recorded-batch.ts';
import type { ColumnValues, TableColumn } from '../../adapters/duckdb/table-columns.ts';
import { createTableWriter } from '../../adapters/duckdb/table-writer.ts';
import {
  labelDelayMs,
  openRecordedInput,
  type PendingFraud,
  PendingLabels,
  RECORDED_HELP,
  RECORDED_OPTIONS,
} from '../../assembly/recorded-input.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { FeatureVectorizer } from '../../core/features/feature-vector.ts';
import { Histories } from '../../core/features/histories.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import { type Transaction, UNITS_PER_MAJOR } from '../../core/transaction/transaction.ts';

/** Columns that may be written besides the features. */
const EXTRA_COLUMNS: Readonly<Record<ExtraName, ExtraColumn>> = {
  timestamp: { type: 'timestamp', value: ({ timestampMs }: Transaction) => timestampMs },
  user_id: { type: 'text', value: ({ userId }: Transaction) => userId },
  transaction_amount: {
    type: 'float32',
    value: ({ amountUnits }: Transaction) => amountUnits / UNITS_PER_MAJOR,
  },
  terminal_id: { type: 'text', value: ({ terminalId }: Transaction) => terminalId ?? null },
};

type ExtraName = 'timestamp' | 'user_id' | 'terminal_id' | 'transaction_amount';
type ExtraColumn = {
  readonly type: TableColumn['type'];
  readonly value: (transaction: Transaction) => string | number | null;
};

export const command: Command = {
  name: 'dataset',
  summary: 'computes features of recorded transactions, to train on',
  usage: 'FILE... --out FILE.parquet [--features NAME,...|all] [--label-column COLUMN]',
  help: `
Writes a table of transaction_id, the named features as float32 (NULL where a feature has no value) and, with
--label-column, is_fraud; with --story-column, fraud_story. The features are computed by the code that serves, from what was known at each transaction.

${RECORDED_HELP}

  ./fraud dataset transactions.parquet --label-column is_fraud --out features.parquet

Features
${FEATURE_NAMES.map((name) => `  ${name}`).join('\n')}`,
  options: {
    ...RECORDED_OPTIONS,
    'story-column': { value: 'COLUMN', description: 'column that says which kind of fraud it was' },
    features: { value: 'NAME,...', description: 'features in this order, or all', default: 'all' },
    include: { value: 'COLUMN,...', description: `also write ${Object.keys(EXTRA_COLUMNS).join(', ')}` },
    out: { value: 'FILE', description: 'table to write, .parquet or .ndjson' },
    overwrite: { description: 'replace the table if it is there' },
    json: { description: 'print the summary as JSON' },
  },
  takesWords: true,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const names = featureNames(arguments_);
  const extras = extraNames(arguments_);
  const delayMs = labelDelayMs(arguments_);
  const out = arguments_.required('out');
  const vectorizer = new FeatureVectorizer(names);
  await using input = await openRecordedInput(arguments_);
  const columns = tableColumns(names, extras, {
    hasLabel: arguments_.text('label-column') !== undefined,
    hasStory: arguments_.text('story-column') !== undefined,
  });
  await using writer = await createTableWriter(out, columns, {
    overwrite: arguments_.has('overwrite'),
  });
  using progress = new Progress('dataset');
  const pass = { histories: new Histories(), pending: new PendingLabels(delayMs), vectorizer };
  let rows = 0;
  for await (const batch of input.batches()) {
    const vectors = batch.transactions.map((_transaction, index) =>
      featuresOf(batch, index, rows + index, pass),
    );
    await writer.append(toColumns(batch, vectors, names, extras));
    rows += vectors.length;
    progress.report(rows, input.rowCount, 'transactions');
  }
  await writer.close();
  const summary = { rows, features: names.length, out };
  process.stdout.write(
    arguments_.has('json')
      ? `${JSON.stringify(summary)}\n`
      : `${rows} rows of ${names.length} features in ${out}\n`,
  );
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

function tableColumns(
  names: readonly string[],
  extras: readonly ExtraName[],
  { hasLabel, hasStory }: { readonly hasLabel: boolean; readonly hasStory: boolean },
): TableColumn[] {
  return [
    { name: 'transaction_id', type: 'text' },
    ...extras.map((name) => ({ name, type: EXTRA_COLUMNS[name].type })),
    ...names.map((name) => ({ name, type: 'float32' as const })),
    ...(hasLabel ? [{ name: 'is_fraud', type: 'boolean' as const }] : []),
    ...(hasStory ? [{ name: 'fraud_story', type: 'text' as const }] : []),
  ];
}

function toColumns(
  { transactions, labels, stories }: RecordedBatch,
  vectors: readonly Float32Array[],
  names: readonly string[],
  extras: readonly ExtraName[],
): ColumnValues[] {
  const features = names.map((_name, feature) => Float32Array.from(vectors, (vector) => vector[feature]));
  const columns: ColumnValues[] = [
    transactions.map(({ transactionId }) => transactionId),
    ...extras.map((name) => transactions.map(EXTRA_COLUMNS[name].value) as string[] | number[]),
    ...features,
  ];
  if (labels)
    columns.push(Array.from(labels, (label) => (label === LABEL_UNKNOWN ? null : label === LABEL_FRAUD)));
  if (stories) columns.push([...stories]);
  return columns;
}

function featureNames(arguments_: Arguments): readonly string[] {
  const text = arguments_.required('features');
  if (text === 'all') return FEATURE_NAMES;
  const names = text.split(',');
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new UsageError(`--features names "${repeated}" twice`);
  return names;
}

function extraNames(arguments_: Arguments): ExtraName[] {
  const names = (arguments_.text('include') ?? '').split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !Object.hasOwn(EXTRA_COLUMNS, name));
  if (unknown === undefined) return names as ExtraName[];
  throw new UsageError(`--include knows ${Object.keys(EXTRA_COLUMNS).join(', ')}, not "${unknown}"`);
}
