import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadModel } from '../../adapters/model-folder/load-model.ts';
import { DEFAULT_MODELS_DIRECTORY, ROOT } from '../../assembly/engine-options.ts';
import { labelDelayMs, RECORDED_HELP, RECORDED_OPTIONS } from '../../assembly/recorded-input.ts';
import { preparePython } from '../../assembly/training/python-environment.ts';
import { runFraud, runStep } from '../../assembly/training/run-step.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { UnknownFeatureError } from '../../core/features/feature-vector.ts';
import { MISSION_FEATURES } from '../../core/features/mission-features.ts';
import { describeModel } from './describe-model.ts';

const DAY_MS = 86_400_000;
const ALGORITHMS = ['random-forest', 'gradient-boosting', 'xgboost'];
/** What thresholds are chosen by; the trainer has the defaults. */
const COSTS = [
  'review-cost',
  'insult-cost',
  'max-decline-rate',
  'max-review-rate',
  'max-false-positive-rate',
];

export const command: Command = {
  name: 'train',
  summary: 'makes a model folder, from recorded or simulated transactions',
  usage: '--version VERSION [FILE... --label-column COLUMN]',
  help: `
Goes the whole way: simulate (unless FILES are given), dataset, the trainer in training/ (Python, in an environment of
its own with pinned versions, made once), and the checks that the service makes. Each step is a command it prints. The
folder has a card for people, model-card.md, with pictures.

${RECORDED_HELP}

  ./fraud train --version v3                                  on simulated transactions
  ./fraud train --version v3 transactions.parquet --label-column is_fraud --algorithm random-forest
  ./fraud train --version v3 --data data                      on what a service decided and was told

--features takes names as fraud dataset does, all, or mission for the thirteen of the mission's model.`,
  options: {
    ...RECORDED_OPTIONS,
    version: { value: 'VERSION', description: 'name of the model and of its folder' },
    algorithm: { value: 'NAME', description: ALGORITHMS.join(', '), default: 'gradient-boosting' },
    features: { value: 'NAME,...', description: 'features in this order, all or mission', default: 'all' },
    seed: { value: 'S', description: 'seed of the simulation and the trainer', default: '1' },
    users: { value: 'N', description: 'card holders, when simulating', default: '5000' },
    terminals: { value: 'N', description: 'terminals, when simulating', default: '10000' },
    days: { value: 'N', description: 'days, when simulating', default: '120' },
    data: {
      value: 'PATH',
      description: 'a recorded file, or the data directory of a service: its event log',
    },
    'review-cost': { value: 'MONEY', description: 'of looking at one payment (default 5)' },
    'insult-cost': { value: 'MONEY', description: 'of declining one legitimate payment (default 20)' },
    'max-decline-rate': { value: 'SHARE', description: 'of payments, at most (default 0.01)' },
    'max-review-rate': { value: 'SHARE', description: 'of payments, at most (default 0.02)' },
    'max-false-positive-rate': { value: 'SHARE', description: 'of is_fraud, at most (default 0.02)' },
    'models-dir': { value: 'DIR', description: 'where the folder goes (default models)' },
    overwrite: { description: 'replace the model folder if it is there' },
  },
  takesWords: true,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const version = arguments_.required('version');
  if (!/^[A-Za-z0-9._-]{1,32}$/.test(version))
    throw new UsageError('--version must be 1 to 32 letters, digits, dots and dashes');
  const algorithm = arguments_.required('algorithm');
  if (!ALGORITHMS.includes(algorithm))
    throw new UsageError(`--algorithm must be one of ${ALGORITHMS.join(', ')}`);
  const models = arguments_.text('models-dir');
  const folder = join(models === undefined ? DEFAULT_MODELS_DIRECTORY : resolve(models), version);
  if (existsSync(folder) && !arguments_.has('overwrite')) {
    throw new UsageError(`${folder} is there already; choose another --version or say --overwrite`);
  }
  const features = featureNames(arguments_);
  const delayDays = Math.ceil(labelDelayMs(arguments_) / DAY_MS);
  const given = givenFiles(arguments_);
  await using work = await temporaryDirectory();

  const python = await preparePython();
  const recorded = given ?? (await simulated(arguments_, work.path));
  const dataset = join(work.path, 'features.parquet');
  const columns = ['--features', features.join(','), '--include', 'timestamp,transaction_amount'];
  await runFraud(['dataset', ...recorded, ...columns, '--out', dataset]);
  const trainer = [
    join(ROOT, 'training', 'train.py'),
    '--dataset',
    dataset,
    '--out',
    folder,
    '--version',
    version,
  ];
  const choices = [
    '--algorithm',
    algorithm,
    '--features',
    features.join(','),
    '--seed',
    arguments_.required('seed'),
    '--label-delay-days',
    String(delayDays),
    ...COSTS.flatMap((name) =>
      arguments_.text(name) !== undefined ? [`--${name}`, arguments_.required(name)] : [],
    ),
  ];
  const scores = join(work.path, 'scores.parquet');
  await runStep(python, [...trainer, ...choices, '--scores', scores]);
  await describeModel(folder, scores);

  const { thresholds } = await loadModel(folder, FEATURE_NAMES);
  process.stdout.write(`model ${version} is in ${folder} and passes the service's checks
review from ${thresholds.review}, decline from ${thresholds.decline}
${models === undefined ? `try it: MODEL_VERSION_B=${version} ./fraud serve` : `look at it: ./fraud models --models-dir ${models}`}\n`);
}

/** The words by which `fraud dataset` reads what was given, files or an event log; undefined if nothing was. */
function givenFiles(arguments_: Arguments): string[] | undefined {
  const data = arguments_.text('data');
  const isLog = data !== undefined && statSync(data, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isLog) return ['--data-dir', data];
  const files = [...(data === undefined ? [] : [data]), ...arguments_.positionals];
  if (files.length === 0) return undefined;
  const label = arguments_.text('label-column');
  if (label === undefined)
    throw new UsageError('--label-column is missing: a model cannot be trained without labels');
  return [
    ...files,
    ...arguments_.texts('column').flatMap((text) => ['--column', text]),
    ...arguments_.texts('default').flatMap((text) => ['--default', text]),
    ...['--label-column', label, '--label-delay', arguments_.required('label-delay')],
  ];
}

async function simulated(arguments_: Arguments, directory: string): Promise<string[]> {
  const file = join(directory, 'simulated.parquet');
  const size = ['users', 'terminals', 'days', 'seed'].flatMap((name) => [
    `--${name}`,
    arguments_.required(name),
  ]);
  await runFraud(['simulate', ...size, '--out', file]);
  return [file, '--label-column', 'is_fraud', '--label-delay', arguments_.required('label-delay')];
}

/** @throws UnknownFeatureError before anything is simulated for a name that is misspelt */
function featureNames(arguments_: Arguments): readonly string[] {
  const text = arguments_.required('features');
  const names = text === 'all' ? FEATURE_NAMES : text === 'mission' ? MISSION_FEATURES : text.split(',');
  const unknown = names.find((name) => !FEATURE_NAMES.includes(name));
  if (unknown !== undefined) throw new UnknownFeatureError(unknown);
  return names;
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'fraud-train-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
