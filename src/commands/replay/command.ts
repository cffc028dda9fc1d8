import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTableWriter } from '../../adapters/duckdb/table-writer.ts';
import { ENGINE_OPTIONS, engineSettings, quietObserver } from '../../assembly/engine-options.ts';
import { openEngine } from '../../assembly/open-engine.ts';
import {
  labelDelayMs,
  openRecordedInput,
  RECORDED_HELP,
  RECORDED_OPTIONS,
} from '../../assembly/recorded-input.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { DECISION_COLUMNS, toDecisionColumns } from './decision-columns.ts';
import { replay } from './replay.ts';

export const command: Command = {
  name: 'replay',
  summary: 'sends recorded transactions through the real pipeline',
  usage: 'FILE... --out decisions.parquet [--data-dir DIR] [--label-column COLUMN]',
  help: `
Decides recorded transactions in event-time order as the service would: recorded in histories, scored by the arms'
models, durable in a log. Labels are fed back after their delay. Without --data-dir the log is temporary.

${RECORDED_HELP}

  ./fraud simulate --out transactions.parquet
  ./fraud replay transactions.parquet --label-column is_fraud --out decisions.parquet`,
  options: {
    ...RECORDED_OPTIONS,
    ...ENGINE_OPTIONS,
    out: { value: 'FILE', description: 'table of decisions to write, .parquet or .ndjson' },
    overwrite: { description: 'replace the table if it is there' },
    json: { description: 'print the summary as JSON' },
  },
  takesWords: true,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const delayMs = labelDelayMs(arguments_);
  const out = arguments_.required('out');
  await using input = await openRecordedInput(arguments_);
  await using dataDirectory = await chooseDataDirectory(arguments_.text('data-dir'));
  const settings = engineSettings(arguments_, dataDirectory.path, 'fraud replay');
  await using engine = await openEngine(settings, quietObserver);
  await using writer = await createTableWriter(out, DECISION_COLUMNS, {
    overwrite: arguments_.has('overwrite'),
  });
  using progress = new Progress('replay');
  const summary = await replay({
    engine,
    input,
    delayMs,
    onDecided: (decided) => writer.append(toDecisionColumns(decided)),
    onProgress: (transactions) => progress.report(transactions, input.rowCount, 'transactions'),
  });
  await writer.close();
  process.stdout.write(
    arguments_.has('json') ? `${JSON.stringify({ ...summary, out })}\n` : describe(summary, out),
  );
}

function describe(summary: Awaited<ReturnType<typeof replay>>, out: string): string {
  const { transactions, repeats, conflicts, outOfOrder, labels, outcomes, seconds } = summary;
  const rate = Math.round(transactions / seconds).toLocaleString('en');
  return `${transactions} transactions in ${seconds.toFixed(1)} s (${rate}/s), every decision on disk
  approve ${outcomes.approve}, review ${outcomes.review}, decline ${outcomes.decline}
  repeats ${repeats}, conflicting ids ${conflicts}, out of order ${outOfOrder}, labels fed back ${labels}
  decisions in ${out}
`;
}

/** A data directory that lasts as long as the replay, unless one is named. */
async function chooseDataDirectory(
  named: string | undefined,
): Promise<AsyncDisposable & { readonly path: string }> {
  if (named !== undefined) return { path: named, [Symbol.asyncDispose]: async () => {} };
  const path = await mkdtemp(join(tmpdir(), 'fraud-replay-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
