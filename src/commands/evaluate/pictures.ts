/** What a study shows. */
import type { Chart, Series } from '../../adapters/pictures/chart.ts';
import { calibrationOf } from '../../core/evaluation/calibration.ts';
import { curveOf } from '../../core/evaluation/quality.ts';
import { rank } from '../../core/evaluation/ranking.ts';
import type { Evaluated } from './command.ts';
import { FALSE_POSITIVE_RATES, type Figure } from './measure-weeks.ts';
import type { Study } from './studies.ts';

const PROMISED_RECALL = 0.95;
const PROMISED_RATE = 0.02;
const CALIBRATION_BINS = 12;
const SHARE = { isPercent: true, domain: [0, 1] } as const;

/** @throws EvaluationError never: what could not be measured was refused before */
export function chartsOf(study: Study, evaluated: readonly Evaluated[]): Chart[] {
  if (study.kind === 'delays') return [recallOverDelay(evaluated)];
  if (study.kind === 'features') return [featuresByUse(evaluated)];
  const rankings = evaluated.map(({ candidate, scored }) => ({
    name: candidate.name,
    ranking: rank(scored.scores, scored.isFraud),
  }));
  const curves = rankings.map(({ name, ranking }) => ({ name, points: curveOf(ranking) }));
  return [precisionRecall(curves), recallOverFalsePositives(curves), ...calibrations(rankings)];
}

type Curve = { readonly name: string; readonly points: ReturnType<typeof curveOf> };

function precisionRecall(curves: readonly Curve[]): Chart {
  return {
    title: 'Precision over recall',
    subtitle: 'payments of the four weeks together',
    x: { label: 'recall', ...SHARE },
    y: { label: 'precision', ...SHARE },
    series: curves.map(({ name, points }) => ({
      name,
      points: points.map(({ recall, precision }) => ({ x: recall, y: precision })),
    })),
  };
}

function recallOverFalsePositives(curves: readonly Curve[]): Chart {
  return {
    title: 'Recall over false positives',
    subtitle: 'the mission’s wish is the corner of the dotted lines',
    x: {
      label: 'false positive rate',
      scale: 'log',
      isPercent: true,
      domain: [FALSE_POSITIVE_RATES[0] / 2, 0.1],
      ticks: [0.001, 0.01, 0.1],
    },
    y: { label: 'recall', ...SHARE },
    series: curves.map(({ name, points }) => ({
      name,
      points: points.map(({ falsePositiveRate, recall }) => ({ x: falsePositiveRate, y: recall })),
    })),
    rules: [
      { x: PROMISED_RATE, label: '2 %' },
      { y: PROMISED_RECALL, label: '95 %' },
    ],
  };
}

/** Of the last two candidates at most: more would cover each other. */
function calibrations(
  rankings: readonly { readonly name: string; readonly ranking: ReturnType<typeof rank> }[],
): Chart[] {
  const bins = rankings.map(
    ({ name, ranking }): Series => ({
      name,
      kind: 'dots',
      points: calibrationOf(ranking, CALIBRATION_BINS)
        .filter(({ rate, meanScore }) => rate > 0 && meanScore > 0)
        .map(({ meanScore, rate, low, high }) => ({ x: meanScore, y: rate, low, high })),
    }),
  );
  const diagonal = {
    name: 'as predicted',
    isDashed: true,
    points: [
      { x: 1e-4, y: 1e-4 },
      { x: 1, y: 1 },
    ],
  };
  const decades = { scale: 'log', domain: [1e-4, 1], ticks: [1e-4, 1e-3, 1e-2, 0.1, 1] } as const;
  return [
    {
      title: 'Calibration',
      subtitle: `share of fraud in ${CALIBRATION_BINS} bins of equally many frauds, 95 % intervals`,
      x: { label: 'predicted probability', ...decades },
      y: { label: 'share that was fraud', ...decades },
      series: [...bins, diagonal],
    },
  ];
}

function recallOverDelay(evaluated: readonly Evaluated[]): Chart {
  const rate = FALSE_POSITIVE_RATES.indexOf(PROMISED_RATE);
  const series = (name: string, isOfSeries: (one: Evaluated['candidate']) => boolean): Series => ({
    name,
    points: evaluated
      .filter(({ candidate }) => isOfSeries(candidate))
      .map(({ candidate, test }) => ({ x: candidate.labelDelayDays, ...within(test!.recallAt[rate]) })),
  });
  return {
    title: 'Recall at 2 % false positives over label delay',
    subtitle: 'four test weeks; bands are 95 % intervals',
    x: { label: 'days until labels are known', ticks: [0, 1, 3, 7] },
    y: { label: 'recall', isPercent: true, domain: [0.6, 1] },
    series: [
      series('the same payments at each delay', ({ blockingDelayDays }) => blockingDelayDays === 7),
      series(
        'without cards that are known to be compromised by then',
        (one) => one.blockingDelayDays === one.labelDelayDays,
      ),
    ],
    rules: [{ y: PROMISED_RECALL, label: 'the mission’s 95 %' }],
  };
}

function featuresByUse(evaluated: readonly Evaluated[]): Chart {
  const [all, ...without] = evaluated.map(({ validation }) => validation.averagePrecision.mean);
  return {
    title: 'What each group of features is for',
    subtitle: 'average precision lost without it, four validation weeks; groups as in the table',
    x: { label: 'group' },
    y: { label: 'loss' },
    series: [
      {
        name: 'loss',
        kind: 'dots',
        points: without.map((precision, group) => ({ x: group + 1, y: all - precision })),
      },
    ],
    rules: [{ y: 0, label: 'no loss' }],
  };
}

function within({ mean, interval }: Figure) {
  return { y: mean, ...(interval ?? {}) };
}
