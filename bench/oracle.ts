/**
 * Compares the features that `fraud dataset` computes with those that the Fraud Detection Handbook publishes for its
 * simulated data (repositories simulated-data-raw and simulated-data-transformed, as one Parquet file each):
 *
 *   node bench/oracle.ts RAW.parquet FEATURES.parquet
 *
 * Counts, flags and amounts must be equal; means and shares, which are published as float32 of a running sum, to 1 in
 * 10,000 or 1e-9. Of payments that a customer made in the same second the published order is arbitrary: where a row differs
 * and is one of those, it is counted apart. Exit code 1 if any other row differs.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readTable } from '../src/adapters/duckdb/read-table.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const MAPPING = [
  ...['--column', 'user_id=customer_id', '--column', 'timestamp=tx_datetime', '--column', 'amount=tx_amount'],
  ...['--default', 'merchant_category=unknown', '--default', 'is_international=false'],
  ...['--label-column', 'tx_fraud', '--label-delay', '7d'],
];
const RELATIVE = 1e-4;
const ABSOLUTE = 1e-9;

type Compared = { readonly ours: string; readonly theirs: string; readonly isExact: boolean };
const COMPARED: readonly Compared[] = [
  { ours: 'amount', theirs: 'tx_amount', isExact: true },
  { ours: 'is_weekend', theirs: 'tx_during_weekend', isExact: true },
  { ours: 'is_night', theirs: 'tx_during_night', isExact: true },
  ...[1, 7, 30].flatMap((days) => [
    { ours: `user_transaction_count_${days}d`, theirs: `customer_id_nb_tx_${days}day_window`, isExact: true },
    {
      ours: `user_amount_mean_${days}d`,
      theirs: `customer_id_avg_amount_${days}day_window`,
      isExact: false,
    },
    {
      ours: `terminal_transaction_count_${days}d_delayed_7d`,
      theirs: `terminal_id_nb_tx_${days}day_window`,
      isExact: true,
    },
    {
      ours: `terminal_fraud_rate_${days}d_delayed_7d`,
      theirs: `terminal_id_risk_${days}day_window`,
      isExact: false,
    },
  ]),
];

const [raw, features] = process.argv.slice(2);
if (raw === undefined || features === undefined) {
  process.stderr.write('name both files: node bench/oracle.ts RAW.parquet FEATURES.parquet\n');
  process.exitCode = 2;
} else process.exitCode = await compare(raw, features);

async function compare(rawPath: string, featuresPath: string): Promise<number> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-oracle-'));
  const out = join(directory.path, 'features.parquet');
  const names = COMPARED.map(({ ours }) => ours);
  const words = ['dataset', rawPath, ...MAPPING, '--features', names.join(','), '--out', out];
  execFileSync(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });

  const ours = await readTable(out, ['transaction_id', ...names]);
  const theirs = await readTable(featuresPath, ['transaction_id', ...COMPARED.map((one) => one.theirs)]);
  const rowOf = new Map(ours.transaction_id.map((id, row) => [String(id), row]));
  const rows = theirs.transaction_id.map((id) => rowOf.get(String(id)) ?? Number.NaN);
  const missing = rows.filter(Number.isNaN).length;
  const differing = new Set<string>();
  for (const one of COMPARED) {
    const found = theirs.transaction_id.filter(
      (_id, row) => !isAlike(Number(ours[one.ours][rows[row]]), Number(theirs[one.theirs][row]), one),
    );
    process.stdout.write(`${one.ours.padEnd(42)}${found.length} rows differ\n`);
    for (const id of found) differing.add(String(id));
  }
  const ties = await sameSecondRows(rawPath);
  const wrong = [...differing].filter((id) => !ties.has(id));
  process.stdout.write(
    `${rows.length} rows compared, ${missing} missing, ${differing.size} differ, ${wrong.length} of them not for a tie\n`,
  );
  return wrong.length + missing > 0 ? 1 : 0;
}

function isAlike(ours: number, theirs: number, { isExact }: Compared): boolean {
  if (isExact) return ours === Math.fround(theirs);
  return Math.abs(ours - theirs) <= Math.max(ABSOLUTE, RELATIVE * Math.abs(theirs));
}

/** Payments of a customer in the same second as another one. */
async function sameSecondRows(rawPath: string): Promise<ReadonlySet<string>> {
  const table = await readTable(rawPath, ['transaction_id', 'customer_id', 'tx_time_seconds']);
  const first = new Map<string, string>();
  const ties = new Set<string>();
  table.transaction_id.forEach((id, row) => {
    const moment = `${table.customer_id[row]} ${table.tx_time_seconds[row]}`;
    const before = first.get(moment);
    if (before !== undefined) ties.add(before).add(String(id));
    else first.set(moment, String(id));
  });
  return ties;
}
