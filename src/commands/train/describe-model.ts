/** The model's card for people: what it is, what it was trained on, how good it is, and what its thresholds cost. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTable } from '../../adapters/duckdb/read-table.ts';
import type { Chart } from '../../adapters/pictures/chart.ts';
import { writePicture } from '../../adapters/pictures/write-picture.ts';
import { calibrationOf } from '../../core/evaluation/calibration.ts';
import { curveOf } from '../../core/evaluation/quality.ts';
import { rank } from '../../core/evaluation/ranking.ts';

/** What `train.py` writes of a stretch of days. */
type Metrics = {
  readonly rows: number;
  readonly frauds: number;
  readonly from: string;
  readonly to: string;
  readonly auc: number;
  readonly average_precision: number;
  readonly brier: number;
  readonly at_threshold: Readonly<
    Record<string, { recall: number; false_positive_rate: number; precision: number | null }>
  >;
  readonly cost_per_1000: Readonly<Record<string, number>>;
} & Readonly<Record<`recall_at_fpr_${string}pct`, number>>;

type Card = {
  readonly version: string;
  readonly description: string;
  readonly features: readonly string[];
  readonly thresholds: Readonly<Record<'fraud' | 'review' | 'decline', number>>;
  readonly training: Readonly<Record<string, unknown>> & {
    readonly costs: Readonly<Record<string, number>>;
    readonly libraries: Readonly<Record<string, string>>;
  };
  readonly metrics: Readonly<Record<'test' | 'validation', Metrics>>;
  readonly curve: readonly { threshold: number; cost_declining: number; cost_reviewing: number }[];
  readonly sha256: string;
};

const CALIBRATION_BINS = 12;
const COST_TICKS = [1, 10, 100, 1_000, 10_000, 100_000];
const RATES = ['0.1', '0.5', '1', '2', '5'];

/**
 * Writes model-card.md and model-card.png into a trained folder.
 * @param scoresPath the test days' scores, as `train.py --scores` writes them
 */
export async function describeModel(folder: string, scoresPath: string): Promise<void> {
  const card: Card = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
  const { is_fraud, probability } = await readTable(scoresPath, ['is_fraud', 'probability']);
  const ranking = rank(Float64Array.from(probability as number[]), Uint8Array.from(is_fraud, Number));
  await writePicture(join(folder, 'model-card.png'), chartsOf(card, ranking));
  await writeFile(join(folder, 'model-card.md'), inWords(card));
}

function chartsOf({ version, thresholds, curve }: Card, ranking: ReturnType<typeof rank>): Chart[] {
  const points = curveOf(ranking);
  const share = { isPercent: true, domain: [0, 1] } as const;
  const decades = { scale: 'log', domain: [1e-4, 1], ticks: [1e-4, 1e-3, 1e-2, 0.1, 1] } as const;
  const bins = calibrationOf(ranking, CALIBRATION_BINS).filter(
    ({ rate, meanScore }) => rate > 0 && meanScore > 0,
  );
  const costs = (name: string, cost: (point: Card['curve'][number]) => number) => ({
    name,
    points: curve
      .map((point) => ({ x: point.threshold, y: cost(point) }))
      .sort((one, other) => one.x - other.x),
  });
  const { review, decline, fraud } = thresholds;
  return [
    {
      title: `${version}: precision over recall`,
      subtitle: 'test days',
      x: { label: 'recall', ...share },
      y: { label: 'precision', ...share },
      series: [
        { name: version, points: points.map(({ recall, precision }) => ({ x: recall, y: precision })) },
      ],
    },
    {
      title: 'Recall over false positives',
      subtitle: 'test days',
      x: {
        label: 'false positive rate',
        scale: 'log',
        isPercent: true,
        domain: [0.0005, 0.1],
        ticks: [0.001, 0.01, 0.1],
      },
      y: { label: 'recall', ...share },
      series: [
        { name: version, points: points.map((point) => ({ x: point.falsePositiveRate, y: point.recall })) },
      ],
      rules: [{ x: 0.02, label: '2 %' }],
    },
    {
      title: 'Calibration',
      subtitle: 'test days; bins of equally many frauds, 95 % intervals',
      x: { label: 'probability', ...decades },
      y: { label: 'share that was fraud', ...decades },
      series: [
        {
          name: version,
          kind: 'dots',
          points: bins.map(({ meanScore, rate, low, high }) => ({ x: meanScore, y: rate, low, high })),
        },
        {
          name: 'as predicted',
          isDashed: true,
          points: [
            { x: 1e-4, y: 1e-4 },
            { x: 1, y: 1 },
          ],
        },
      ],
    },
    {
      title: 'What it costs to alert from here on',
      subtitle: 'validation days, per 1,000 payments',
      x: { label: 'probability', ...decades },
      y: { label: 'cost', scale: 'log', ticks: COST_TICKS },
      series: [
        costs('declining everything above', (point) => point.cost_declining),
        costs('reviewing everything above', (point) => point.cost_reviewing),
      ],
      rules: [
        { x: review, label: 'review' },
        { x: decline, label: 'decline' },
        ...(fraud === review || fraud === decline ? [] : [{ x: fraud, label: 'is_fraud' }]),
      ],
    },
  ];
}

function inWords({ version, description, features, thresholds, training, metrics, sha256 }: Card): string {
  const { costs, libraries, ...rest } = training;
  const { test, validation } = metrics;
  const row = (name: string, { rows, frauds, from, to }: Pick<Metrics, 'rows' | 'frauds' | 'from' | 'to'>) =>
    `| ${name} | ${from.slice(0, 10)} to ${to.slice(0, 10)} | ${rows.toLocaleString('en')} | ${frauds.toLocaleString('en')} |`;
  const quality = (name: string, one: Metrics) =>
    `| ${[name, one.auc, one.average_precision, ...RATES.map((rate) => one[`recall_at_fpr_${rate}pct`]), one.brier].join(' | ')} |`;
  const threshold = (name: 'fraud' | 'review' | 'decline') => {
    const { recall, false_positive_rate, precision } = test.at_threshold[name];
    return `| ${name} | ${thresholds[name].toPrecision(4)} | ${recall} | ${false_positive_rate} | ${precision ?? '-'} |`;
  };
  return `# Model ${version}

${description} Written by \`fraud train\`; the figures are also in model.json.

![precision, recall, calibration and cost](model-card.png)

## Trained on

| days | | payments | frauds |
| --- | --- | --- | --- |
${row('training', rest as unknown as Metrics)}
${row('validation', validation)}
${row('test', test)}

Data ${rest.data}, labels after ${rest.label_delay_days} days, seed ${rest.seed}. The days follow each other in time; thresholds and calibration
are of the validation days, and nothing was chosen on the test days.

## Quality

| days | AUC | AP | ${RATES.map((rate) => `recall at ${rate} %`).join(' | ')} | Brier |
| --- | --- | --- | ${RATES.map(() => '---').join(' | ')} | --- |
${quality('validation', validation)}
${quality('test', test)}

## Thresholds

| | from | recall | false positives | precision |
| --- | --- | --- | --- | --- |
${(['fraud', 'review', 'decline'] as const).map(threshold).join('\n')}

On the test days. \`fraud\` (\`is_fraud\`) is reached by ${percent(costs.max_false_positive_rate)} of legitimate validation payments at most. Review and decline are the cheapest on
the validation days where an approved fraud costs its amount, a review ${costs.review} and a declined legitimate payment ${costs.insult}, with at most
${percent(costs.max_decline_rate)} of payments declined and ${percent(costs.max_review_rate)} reviewed.

Per 1,000 payments of the test days: ${money(test, 'total')} (frauds missed ${money(test, 'fraud_lost')}, reviews ${money(test, 'reviews')}, insults ${money(test, 'insults')}); approving everything costs ${money(test, 'approving_all')}.

## Features

${features.join(', ')}.

## Made with

${Object.entries(libraries)
  .map(([name, version]) => `${name} ${version}`)
  .join(', ')}. Parameters ${JSON.stringify(rest.parameters)}. ONNX sha256 \`${sha256}\`.

Retraining on the same data with the same seed and versions gives the same bytes: \`./fraud train --version ${version} ... --seed ${rest.seed}\`.
`;
}

function money({ cost_per_1000 }: Metrics, name: string): string {
  return cost_per_1000[name].toFixed(2);
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
