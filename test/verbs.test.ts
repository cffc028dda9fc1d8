/** The verbs, one after the other on one small file, as a person would use them. */
import assert from 'node:assert/strict';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTable } from '../src/adapters/duckdb/read-table.ts';
import { FEATURE_NAMES } from '../src/core/features/catalogue.ts';
import { VERBS } from '../src/verbs.ts';
import { runVerb, temporaryDirectory } from './start-service.ts';

const SIMULATE = ['simulate', '--users', '60', '--terminals', '30', '--days', '25', '--seed', '3'];
const ANSWER_COLUMNS = [
  'transaction_id',
  'model_version',
  'fraud_probability',
  'is_fraud',
  'outcome',
] as const;

test('a small file from simulate to verify', async (t) => {
  const directory = await temporaryDirectory(t);
  const inDirectory = (name: string) => join(directory, name);
  const file = inDirectory('transactions.parquet');
  const data = inDirectory('data');
  const out = inDirectory('decisions.parquet');
  const replaying = (...words: string[]) => [
    'replay',
    file,
    '--label-column',
    'is_fraud',
    '--json',
    ...words,
  ];
  let count = 0;

  await t.test('simulate writes the same labelled file for the same seed', async () => {
    const simulated = await succeed(...SIMULATE, '--out', file);
    const [, transactions, frauds] =
      /^(\d+) transactions, (\d+) of them fraud \(.* %\)/.exec(simulated) ?? [];
    count = Number(transactions);
    assert.ok(count > 1_000 && Number(frauds) > 20, simulated);
    const again = inDirectory('again.parquet');
    const { transactions: counted } = JSON.parse(await succeed(...SIMULATE, '--out', again, '--json'));
    assert.equal(counted, count);
    assert.deepEqual(await readFile(again), await readFile(file));
  });

  await t.test('a table that is there is not overwritten unasked', async () => {
    const { code, stderr } = await runVerb(...SIMULATE, '--out', file);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${file}.*--overwrite`));
    await succeed(...SIMULATE, '--out', file, '--overwrite');
  });

  await t.test('replay decides all of it, durably', async () => {
    const summary = JSON.parse(await succeed(...replaying('--data-dir', data, '--out', out)));
    const { transactions, repeats, conflicts, outOfOrder, labels, outcomes } = summary;
    assert.deepEqual([transactions, repeats, conflicts, outOfOrder], [count, 0, 0, 0]);
    assert.ok(labels > 5, 'labels were fed back');
    assert.equal(outcomes.approve + outcomes.review + outcomes.decline, count);
    const decided = await readTable(out, [...ANSWER_COLUMNS, 'arm', 'label']);
    assert.equal(new Set(decided.transaction_id).size, count);
    assert.deepEqual(new Set(decided.model_version), new Set(['v1', 'v2']));
    assert.deepEqual(new Set(decided.label), new Set([true, false]));
  });

  await t.test('verify finds no difference, in words and as JSON', async () => {
    assert.match(
      await succeed('verify', '--data-dir', data),
      new RegExp(`^${count} decisions and \\d+ labels read, 0 decisions differ\n$`),
    );
    const verified = JSON.parse(await succeed('verify', '--data-dir', data, '--json'));
    assert.deepEqual([verified.decisions, verified.differing], [count, 0]);
  });

  await t.test(
    'replaying the same file again changes nothing: all are repeats with the same answers',
    async () => {
      const second = inDirectory('second.parquet');
      const summary = JSON.parse(await succeed(...replaying('--data-dir', data, '--out', second)));
      assert.deepEqual([summary.transactions, summary.repeats, summary.conflicts], [count, count, 0]);
      assert.deepEqual(await readTable(second, ANSWER_COLUMNS), await readTable(out, ANSWER_COLUMNS));
      const verified = JSON.parse(await succeed('verify', '--data-dir', data, '--json'));
      assert.deepEqual([verified.decisions, verified.differing], [count, 0]);
    },
  );

  await t.test('rebuild makes the views again, and nothing is other than before', async () => {
    assert.match(
      await succeed('rebuild', '--data-dir', data),
      /events applied in .* the views in .* are whole/,
    );
    const { events } = JSON.parse(await succeed('rebuild', '--data-dir', data, '--json'));
    assert.ok(events > count, 'decisions, labels and a control document');
    const third = inDirectory('third.parquet');
    const summary = JSON.parse(await succeed(...replaying('--data-dir', data, '--out', third)));
    assert.equal(summary.repeats, count);
    assert.deepEqual(await readTable(third, ANSWER_COLUMNS), await readTable(out, ANSWER_COLUMNS));
    assert.equal(JSON.parse(await succeed('verify', '--data-dir', data, '--json')).differing, 0);
  });

  await t.test('explain tells of one decision, in words and as JSON', async () => {
    const decided = await readTable(out, ANSWER_COLUMNS);
    const declined = decided.outcome.indexOf('decline');
    const id = String(decided.transaction_id[declined]);
    const text = await succeed('explain', id, '--data-dir', data);
    assert.match(text, new RegExp(`^${id}: decline`));
    assert.match(text, new RegExp(`Model ${decided.model_version[declined]} `));
    assert.match(text, /What spoke most for fraud\n {2}\S.*usually/);
    for (const name of FEATURE_NAMES) assert.ok(text.includes(`  ${name} `), name);
    const report = JSON.parse(await succeed('explain', id, '--data-dir', data, '--json'));
    assert.equal(report.fraud_probability, Number(decided.fraud_probability[declined]));
    assert.deepEqual(Object.keys(report.features), FEATURE_NAMES);
    assert.deepEqual(
      report.reason_codes,
      report.reasons.map(({ code }: { code: string }) => code),
    );
    const unknown = await runVerb('explain', 'never', '--data-dir', data);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^fraud: no transaction never was decided in /);
  });

  await t.test('dataset writes the features asked for, equal to those that were served', async () => {
    const features = inDirectory('features.parquet');
    const made = JSON.parse(
      await succeed('dataset', file, '--label-column', 'is_fraud', '--out', features, '--json'),
    );
    assert.deepEqual([made.rows, made.features], [count, FEATURE_NAMES.length]);
    const table = await readTable(features, ['transaction_id', 'is_fraud', ...FEATURE_NAMES]);
    for (let row = 0; row < count; row += Math.ceil(count / 5)) {
      const id = String(table.transaction_id[row]);
      const report = JSON.parse(await succeed('explain', id, '--data-dir', data, '--json'));
      for (const name of FEATURE_NAMES)
        assert.ok(Object.is(report.features[name], table[name][row]), `${id}: ${name}`);
    }
    const fromLog = inDirectory('from-log.parquet');
    await succeed('dataset', '--data-dir', data, '--out', fromLog);
    const logged = await readTable(fromLog, ['transaction_id', 'is_fraud', ...FEATURE_NAMES]);
    const rowOf = new Map(logged.transaction_id.map((id, row) => [id, row]));
    assert.equal(rowOf.size, count);
    for (let row = 0; row < count; row++) {
      const other = rowOf.get(table.transaction_id[row])!;
      for (const name of FEATURE_NAMES)
        assert.ok(Object.is(table[name][row], logged[name][other]), `${table.transaction_id[row]}: ${name}`);
      assert.ok(!logged.is_fraud[other] || table.is_fraud[row], 'fraud is what was reported as such');
    }
    assert.ok(logged.is_fraud.includes(true));
    const few = inDirectory('few.ndjson');
    await succeed(
      'dataset',
      file,
      '--features',
      'amount,is_night',
      '--include',
      'timestamp,user_id',
      '--out',
      few,
    );
    const [first] = (await readFile(few, 'utf8')).split('\n');
    assert.deepEqual(Object.keys(JSON.parse(first)), [
      'transaction_id',
      'timestamp',
      'user_id',
      'amount',
      'is_night',
    ]);
  });

  await t.test('the delay of labels decides what features can know', async () => {
    const rates = async (delay: string) => {
      const features = inDirectory(`features-${delay}.parquet`);
      await succeed('dataset', file, '--label-column', 'is_fraud', '--label-delay', delay, '--out', features);
      const { terminal_fraud_rate_7d_delayed_7d: rate } = await readTable(features, [
        'terminal_fraud_rate_7d_delayed_7d',
      ]);
      return rate.filter((value) => Number(value) > 0).length;
    };
    const [atOnce, aWeek, aMonth] = [await rates('0d'), await rates('7d'), await rates('30d')];
    assert.equal(atOnce, aWeek, 'a window that is delayed by seven days sees no label earlier');
    assert.ok(aWeek > 0);
    assert.equal(aMonth, 0);
    const replays = async (delay: string) => {
      const words = replaying('--label-delay', delay, '--out', inDirectory(`replay-${delay}.parquet`));
      return JSON.parse(await succeed(...words)).labels;
    };
    const [labelsAtOnce, labelsAfterAWeek] = [await replays('0d'), await replays('7d')];
    assert.ok(labelsAtOnce > labelsAfterAWeek, 'those of the last week are not fed back');
    assert.ok(labelsAfterAWeek > 0);
  });

  await t.test('models lists what serves', async () => {
    const text = await succeed('models');
    assert.match(text, /^v1 {2}good {2}13 features, .*\nv2 {2}good {2}\d+ features, /);
    const listed = JSON.parse(await succeed('models', '--json'));
    assert.deepEqual(
      listed.map(({ version, isGood }: { version: string; isGood: boolean }) => [version, isGood]),
      [
        ['v1', true],
        ['v2', true],
      ],
    );
  });
});

test('recorded files that other people made: other names, CSV, defaults', async (t) => {
  const directory = await temporaryDirectory(t);
  const csv = join(directory, 'payments.csv');
  await writeFile(
    csv,
    'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n' +
      '0,2018-04-01 00:00:31,596,3156,57.16,0\n1,2018-04-01 00:02:10,4961,3412,81.51,1\n2,2018-04-01 00:07:56,596,1365,146.00,0\n',
  );
  const mapping = Object.entries({
    transaction_id: 'TRANSACTION_ID',
    timestamp: 'TX_DATETIME',
    user_id: 'CUSTOMER_ID',
    terminal_id: 'TERMINAL_ID',
    amount: 'TX_AMOUNT',
  }).flatMap(([member, column]) => ['--column', `${member}=${column}`]);
  const defaults = ['--default', 'merchant_category=unknown', '--default', 'is_international=false'];
  const out = join(directory, 'features.parquet');

  const made = await succeed(
    'dataset',
    csv,
    ...mapping,
    ...defaults,
    '--label-column',
    'TX_FRAUD',
    '--out',
    out,
  );
  assert.match(made, /^3 rows of /);
  const table = await readTable(out, ['transaction_id', 'is_fraud', 'amount', 'user_transaction_count_1d']);
  assert.deepEqual(table.transaction_id, ['0', '1', '2']);
  assert.deepEqual(table.is_fraud, [false, true, false]);
  assert.deepEqual(table.user_transaction_count_1d, [1, 1, 2]);

  const unmapped = await runVerb('dataset', csv, '--out', join(directory, 'no.parquet'));
  assert.equal(unmapped.code, 1);
  assert.match(unmapped.stderr, /payments\.csv.*TRANSACTION_ID/, 'names what the file has');
  await assert.rejects(access(join(directory, 'no.parquet')), 'nothing is left of a table that failed');
});

test('verbs that find no data, no file or no models say so', async (t) => {
  const directory = await temporaryDirectory(t);
  const missing = join(directory, 'missing');
  const table = join(directory, 'notes.parquet');
  await writeFile(table, 'not Parquet');
  const refused: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [['verify', '--data-dir', missing], /missing.*no data was ever kept there/],
    [['explain', 'x', '--data-dir', missing], /missing.*no data was ever kept there/],
    [['models', '--models-dir', missing], /missing/],
    [['replay', `${missing}.parquet`, '--out', join(directory, 'o.parquet')], /missing\.parquet/],
    [['dataset', table, '--out', join(directory, 'o.parquet')], /notes\.parquet/],
    [['dataset', join(directory, 'notes.xlsx'), '--out', join(directory, 'o.parquet')], /notes\.xlsx/],
    [['simulate', '--days', '1', '--out', join(directory, 'o.xlsx')], /\.parquet.*\.ndjson/],
    [['simulate', '--days', '1', '--out', join(table, 'o.parquet')], /notes\.parquet/],
  ];
  for (const [words, says] of refused) {
    const { code, stderr } = await runVerb(...words);
    assert.equal(code, 1, `${words.join(' ')}: ${stderr}`);
    assert.match(stderr, says, words.join(' '));
    assert.doesNotMatch(stderr, /\n\s+at /, 'a sentence, not a stack');
  }
  await assert.rejects(access(missing), 'nothing was made');
});

test('--help teaches every verb, and the overview names them all', async () => {
  const overview = await succeed('--help');
  assert.equal(await succeed(), overview);
  for (const verb of Object.keys(VERBS)) {
    assert.match(overview, new RegExp(`\n  ${verb} +\\S`));
    const help = await succeed(verb, '--help');
    assert.match(help, new RegExp(`^fraud ${verb}`));
    assert.match(help, /\nOptions\n {2}--/);
    for (const line of help.split('\n')) assert.ok(line.length <= 150, `${verb}: ${line}`);
  }
});

async function succeed(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runVerb(...words);
  assert.equal(code, 0, `fraud ${words.join(' ')}: ${stderr}`);
  return stdout;
}
