import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { writePicture } from '../../adapters/pictures/write-picture.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import { RECORDED_HELP, RECORDED_OPTIONS } from '../../assembly/recorded-input.ts';
import { preparePython } from '../../assembly/training/python-environment.ts';
import { runFraud, runStep } from '../../assembly/training/run-step.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { measureStage, readScores, type Scored, type StageFigures } from './measure-weeks.ts';
import { chartsOf } from './pictures.ts';
import { reportJson, tableOf } from './report.ts';
import { type Candidate, STUDIES, type Study } from './studies.ts';

const { 'label-delay': _everyStudyHasItsOwn, ...INPUT_OPTIONS } = RECORDED_OPTIONS;

export const command: Command = {
  name: 'evaluate',
  summary: 'proves on recorded transactions how good models are, week by week as time goes on',
  usage: 'FILE... --label-column COLUMN [--study NAME] [--out DIR]',
  help: `
Trains before each of four test weeks, and of four validation weeks, on what was known then, and measures on the week
(the prequential protocol of the Fraud Detection Handbook; parameters are chosen on the validation weeks only). Prints a
table, and writes it as DIR/STUDY.json with a picture, DIR/STUDY.png and .svg.

${Object.entries(STUDIES)
  .map(([name, { title, candidates }]) => `  --study ${name.padEnd(10)} ${title} (${candidates.length} rows)`)
  .join('\n')}

${RECORDED_HELP}
150 days are enough: 42 of training behind a month that fills the longest windows, and nine weeks.

  ./fraud simulate --days 150 --out payments.parquet
  ./fraud evaluate payments.parquet --label-column is_fraud --story-column fraud_story --study best`,
  options: {
    ...INPUT_OPTIONS,
    'story-column': { value: 'COLUMN', description: 'column that says which kind of fraud it was' },
    study: { value: 'NAME', description: Object.keys(STUDIES).join(', '), default: 'best' },
    rows: { value: 'N,...', description: 'only these rows of the study, counted from 1' },
    out: { value: 'DIR', description: 'folder of tables and pictures', default: 'evaluation' },
    seed: { value: 'S', description: 'seed of the trainers', default: '0' },
    json: { description: 'print the figures as JSON' },
  },
  takesWords: true,
  run,
};

/** What came out for one candidate. */
export type Evaluated = {
  readonly candidate: Candidate;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly validation: StageFigures;
  readonly test: StageFigures | undefined;
  /** Of the last stage, for pictures. */
  readonly scored: Scored;
};

async function run(arguments_: Arguments): Promise<void> {
  const name = arguments_.required('study');
  const whole = Object.hasOwn(STUDIES, name) ? STUDIES[name] : undefined;
  if (!whole) throw new UsageError(`--study knows ${Object.keys(STUDIES).join(', ')}, not "${name}"`);
  const study = { ...whole, candidates: chosenRows(whole, arguments_.text('rows')) };
  if (arguments_.positionals.length === 0)
    throw new UsageError('name at least one file of recorded transactions');
  const label = arguments_.text('label-column');
  if (label === undefined)
    throw new UsageError('--label-column is missing: without labels there is nothing to measure');
  const out = arguments_.required('out');
  const python = await preparePython();
  const work = await mkdtemp(join(tmpdir(), 'fraud-evaluate-'));
  try {
    const evaluated = await evaluateAll(study, arguments_, { python, work });
    await mkdir(out, { recursive: true });
    const json = reportJson(study, evaluated);
    await writeFile(join(out, `${name}.json`), json);
    const charts = chartsOf(study, evaluated);
    for (const ending of ['svg', 'png']) await writePicture(join(out, `${name}.${ending}`), charts);
    process.stdout.write(arguments_.has('json') ? json : tableOf(study, evaluated));
    process.stderr.write(
      `${['json', 'png', 'svg'].map((ending) => relative('.', join(out, `${name}.${ending}`))).join(', ')} written\n`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function chosenRows({ candidates }: Study, text: string | undefined): readonly Candidate[] {
  if (text === undefined) return candidates;
  return text.split(',').map((number) => {
    const candidate = candidates[Number(number) - 1];
    if (candidate) return candidate;
    throw new UsageError(`--rows are numbers from 1 to ${candidates.length}, not "${number}"`);
  });
}

type Places = { readonly python: string; readonly work: string };

/** Datasets first, one a label delay; then as many candidates at a time as there are processors. */
async function evaluateAll(study: Study, arguments_: Arguments, places: Places): Promise<Evaluated[]> {
  const delays = [...new Set(study.candidates.map(({ labelDelayDays }) => labelDelayDays))];
  for (const days of delays) await makeDataset(days, arguments_, places);
  const evaluated = new Array<Evaluated>(study.candidates.length);
  let next = 0;
  const worker = async () => {
    while (next < study.candidates.length) {
      const index = next++;
      evaluated[index] = await evaluateOne(study, index, arguments_, places);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return evaluated;
}

async function makeDataset(days: number, arguments_: Arguments, { work }: Places): Promise<void> {
  const story = arguments_.text('story-column');
  await runFraud([
    'dataset',
    ...arguments_.positionals,
    ...arguments_.texts('column').flatMap((text) => ['--column', text]),
    ...arguments_.texts('default').flatMap((text) => ['--default', text]),
    ...['--label-column', arguments_.required('label-column'), '--label-delay', `${days}d`],
    ...(story === undefined ? [] : ['--story-column', story]),
    ...['--features', FEATURE_NAMES.join(','), '--include', 'timestamp,user_id'],
    ...['--out', join(work, `${days}d.parquet`)],
  ]);
}

async function evaluateOne(
  { isValidationOnly, candidates }: Study,
  index: number,
  arguments_: Arguments,
  { python, work }: Places,
): Promise<Evaluated> {
  const candidate = candidates[index];
  const scores = join(work, `scores-${index}.parquet`);
  await runStep(python, [
    join(ROOT, 'training', 'evaluate.py'),
    ...['--dataset', join(work, `${candidate.labelDelayDays}d.parquet`), '--out', scores],
    ...['--algorithm', candidate.algorithm, '--features', candidate.features.join(',')],
    ...['--training-days', String(candidate.trainingDays), '--seed', arguments_.required('seed')],
    ...['--label-delay-days', String(candidate.labelDelayDays)],
    ...['--blocking-delay-days', String(candidate.blockingDelayDays)],
    ...(isValidationOnly ? ['--validation-only'] : []),
  ]);
  const { parameters } = JSON.parse(await readFile(scores.replace('.parquet', '.json'), 'utf8'));
  const { validation, test } = await readScores(scores);
  return {
    candidate,
    parameters,
    validation: measureStage(validation),
    test: isValidationOnly ? undefined : measureStage(test),
    scored: isValidationOnly ? validation : test,
  };
}
