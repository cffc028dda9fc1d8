import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { isTimestampMs } from '../../core/transaction/members.ts';
import { formatTimestamp, parseTimestampMs } from '../../core/transaction/timestamp.ts';
import { simulate } from './simulate.ts';
import { SIMULATE_DEFAULTS, type SimulateOptions } from './simulate-options.ts';

export const command: Command = {
  name: 'simulate',
  summary: 'makes labelled transactions to play and train with',
  usage: '--out FILE.parquet|FILE.ndjson [--users N] [--terminals N] [--days N] [--seed S]',
  help: `
Writes transactions of made-up card holders in the contract's own members, with is_fraud and fraud_story: people with
habits and a home, terminals near them, and three stories of fraud (large amounts, compromised terminals, stolen cards),
after the simulator that the Fraud Detection Handbook describes. The same options give the same file.

  ./fraud simulate --users 5000 --terminals 10000 --days 90 --out transactions.parquet`,
  options: {
    users: { value: 'N', description: 'card holders', default: String(SIMULATE_DEFAULTS.users) },
    terminals: { value: 'N', description: 'terminals', default: String(SIMULATE_DEFAULTS.terminals) },
    days: { value: 'N', description: 'days', default: String(SIMULATE_DEFAULTS.days) },
    seed: { value: 'S', description: 'another seed, other people', default: String(SIMULATE_DEFAULTS.seed) },
    start: { value: 'TIME', description: 'first day', default: formatTimestamp(SIMULATE_DEFAULTS.startMs) },
    out: { value: 'FILE', description: 'table to write, .parquet or .ndjson' },
    overwrite: { description: 'replace the table if it is there' },
    json: { description: 'print the summary as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const options = readOptions(arguments_);
  using progress = new Progress('simulate');
  const summary = await simulate(options, ({ daysDone, days }) => progress.report(daysDone, days, 'days'));
  if (arguments_.has('json')) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const share = ((100 * summary.frauds) / summary.transactions).toFixed(2);
  process.stdout.write(
    `${summary.transactions} transactions, ${summary.frauds} of them fraud (${share} %), in ${options.out}\n`,
  );
}

function readOptions(arguments_: Arguments): SimulateOptions {
  const startMs = parseTimestampMs(arguments_.required('start'));
  if (!isTimestampMs(startMs))
    throw new UsageError('--start must be an RFC 3339 timestamp such as 2026-01-01T00:00:00Z');
  return {
    users: arguments_.wholeNumber('users', 1, 100_000_000),
    terminals: arguments_.wholeNumber('terminals', 1, 100_000_000),
    days: arguments_.wholeNumber('days', 1, 36_500),
    seed: arguments_.wholeNumber('seed', 0, Number.MAX_SAFE_INTEGER),
    startMs,
    out: arguments_.required('out'),
    overwrite: arguments_.has('overwrite'),
  };
}
