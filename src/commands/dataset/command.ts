import { LABEL_FRAUD, LABEL_UNKNOWN } from '../../adapters/duckdb/recorded-batch.ts';
import type { ColumnValues, TableColumn } from '../../adapters/duckdb/table-columns.ts';
import { createTableWriter } from '../../adapters/duckdb/table-writer.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import {
  labelDelayMs,
  openRecordedInput,
  RECORDED_HELP,
  RECORDED_OPTIONS,
} from '../../assembly/recorded-input.ts';
import { environmentWith } from '../../assembly/service-process.ts';
import { readServiceSettings } from '../../assembly/service-settings.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { FeatureVectorizer } from '../../core/features/feature-vector.ts';
import { type Transaction, UNITS_PER_MAJOR } from '../../core/transaction/transaction.ts';
import { type Rows, rowsOfFiles, rowsOfLog } from './rows.ts';

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
  usage: '(FILE... | --data-dir DIR) --out FILE.parquet [--features NAME,...|all] [--label-column COLUMN]',
  help: `
Writes a table of transaction_id, the named features as float32 (NULL where a feature has no value) and, with
--label-column, is_fraud; with --story-column, fraud_story. The features are computed by the code that serves, from what
was known at each transaction.

${RECORDED_HELP}

  ./fraud dataset transactions.parquet --label-column is_fraud --out features.parquet
  ./fraud dataset --data-dir data --out features.parquet       what a service decided and was told, out of its event log

Features
${FEATURE_NAMES.map((name) => `  ${name}`).join('\n')}`,
  options: {
    ...RECORDED_OPTIONS,
    'data-dir': {
      value: 'DIR',
      description: 'the event log of a service instead of files (with Kafka set, the topics)',
    },
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
  const out = arguments_.required('out');
  await using source = await openSource(arguments_, new FeatureVectorizer(names));
  const columns = tableColumns(names, extras, source);
  await using writer = await createTableWriter(out, columns, { overwrite: arguments_.has('overwrite') });
  using progress = new Progress('dataset');
  let rows = 0;
  for await (const batch of source.rows) {
    await writer.append(toColumns(batch, names, extras));
    rows += batch.vectors.length;
    progress.report(rows, source.rowCount, 'transactions');
  }
  await writer.close();
  const summary = { rows, features: names.length, out };
  process.stdout.write(
    arguments_.has('json')
      ? `${JSON.stringify(summary)}\n`
      : `${rows} rows of ${names.length} features in ${out}\n`,
  );
}

type Source = AsyncDisposable & {
  readonly rows: AsyncIterable<Rows>;
  readonly rowCount: number | undefined;
  readonly hasLabel: boolean;
  readonly hasStory: boolean;
};

async function openSource(arguments_: Arguments, vectorizer: FeatureVectorizer): Promise<Source> {
  if (arguments_.positionals.length === 0 && arguments_.text('data-dir') !== undefined) {
    const { engine } = readServiceSettings(environmentWith(arguments_), ROOT, { command: 'fraud dataset' });
    const nothing = async () => {};
    const rows = rowsOfLog(engine, vectorizer);
    return { rows, rowCount: undefined, hasLabel: true, hasStory: false, [Symbol.asyncDispose]: nothing };
  }
  const delayMs = labelDelayMs(arguments_);
  const input = await openRecordedInput(arguments_);
  return {
    rows: rowsOfFiles(input, delayMs, vectorizer),
    rowCount: input.rowCount,
    hasLabel: arguments_.text('label-column') !== undefined,
    hasStory: arguments_.text('story-column') !== undefined,
    [Symbol.asyncDispose]: () => input[Symbol.asyncDispose](),
  };
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
  { transactions, labels, stories, vectors }: Rows,
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
