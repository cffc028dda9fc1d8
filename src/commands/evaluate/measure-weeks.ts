/** What the scores of `evaluate.py` amount to: figures a week, their mean and spread, and how sure they are. */
import { readTable } from '../../adapters/duckdb/read-table.ts';
import { bootstrapUsers, type Interval } from '../../core/evaluation/bootstrap.ts';
import { bestCardPrecision, cardPrecision } from '../../core/evaluation/card-precision.ts';
import { measureQuality } from '../../core/evaluation/quality.ts';
import { type Ranking, rank } from '../../core/evaluation/ranking.ts';

export const FALSE_POSITIVE_RATES = [0.001, 0.005, 0.01, 0.02, 0.05];
/** The rate that the mission's promise is made at. */
const PROMISED_RATE = 0.02;
const CARDS_A_DAY = 100;
const BOOTSTRAP = { replicates: 200, seed: 1 };
const DAY_MS = 86_400_000;

/** One figure over the weeks. */
export type Figure = { readonly mean: number; readonly deviation: number; readonly interval?: Interval };

export type StageFigures = {
  readonly payments: number;
  readonly frauds: number;
  readonly auc: Figure;
  readonly averagePrecision: Figure;
  readonly cardPrecision: Figure;
  /** The most that any ranking could reach. */
  readonly bestCardPrecision: Figure;
  /** By `FALSE_POSITIVE_RATES`. */
  readonly recallAt: readonly Figure[];
  /** Recall of each kind of fraud at 2 % false positives, and how many there were. */
  readonly stories: Readonly<Record<string, { readonly frauds: number; readonly recall: number }>>;
};

/** Payments of one stage, all weeks, as columns. */
export type Scored = {
  readonly weeks: readonly Week[];
  /** Of all weeks, one after the other. */
  readonly scores: Float64Array;
  readonly isFraud: Uint8Array;
};

type Week = {
  readonly rows: number;
  readonly scores: Float64Array;
  readonly isFraud: Uint8Array;
  readonly cards: Uint32Array;
  readonly days: Float64Array;
  readonly stories: readonly string[];
  readonly ranking: Ranking;
};

const COLUMNS = ['stage', 'week', 'timestamp', 'user_id', 'fraud_story', 'is_fraud', 'score'] as const;
type Table = Awaited<ReturnType<typeof readTable<(typeof COLUMNS)[number]>>>;

export async function readScores(path: string): Promise<Record<'validation' | 'test', Scored>> {
  const table = await readTable(path, COLUMNS);
  return { validation: stageOf(table, 'validation'), test: stageOf(table, 'test') };
}

export function measureStage({ weeks }: Scored): StageFigures {
  const qualities = weeks.map(({ ranking }) => measureQuality(ranking, FALSE_POSITIVE_RATES));
  const [auc, averagePrecision, ...recalls] = intervals(weeks);
  const precisions = (measure: typeof cardPrecision) =>
    figureOf(weeks.map((week) => measure(week, CARDS_A_DAY)));
  return {
    payments: sum(weeks.map(({ rows }) => rows)),
    frauds: sum(weeks.map(({ isFraud }) => sum([...isFraud]))),
    auc: figureOf(
      qualities.map((quality) => quality.auc),
      auc,
    ),
    averagePrecision: figureOf(
      qualities.map((quality) => quality.averagePrecision),
      averagePrecision,
    ),
    cardPrecision: precisions(cardPrecision),
    bestCardPrecision: precisions(bestCardPrecision),
    recallAt: FALSE_POSITIVE_RATES.map((_, rate) =>
      figureOf(
        qualities.map(({ recallAt }) => recallAt[rate]),
        recalls[rate],
      ),
    ),
    stories: storiesOf(weeks),
  };
}

function stageOf(table: Table, stage: string): Scored {
  const cards = new Map<string, number>();
  const rowsOf = Map.groupBy(
    table.stage.flatMap((name, row) => (name === stage ? [row] : [])),
    (row) => table.week[row] as number,
  );
  const weeks = [...rowsOf.values()].map((rows): Week => {
    const scores = Float64Array.from(rows, (row) => table.score[row] as number);
    const isFraud = Uint8Array.from(rows, (row) => Number(table.is_fraud[row]));
    return {
      rows: rows.length,
      scores,
      isFraud,
      cards: Uint32Array.from(rows, (row) => numberOf(cards, table.user_id[row] as string)),
      days: Float64Array.from(rows, (row) => Math.floor((table.timestamp[row] as number) / DAY_MS)),
      stories: rows.map((row) => table.fraud_story[row] as string),
      ranking: rank(scores, isFraud),
    };
  });
  const scores = Float64Array.from(weeks.flatMap((week) => [...week.scores]));
  return { weeks, scores, isFraud: Uint8Array.from(weeks.flatMap((week) => [...week.isFraud])) };
}

function numberOf(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size;
  numbers.set(name, number);
  return number;
}

/** Of AUC, average precision and recalls, each a mean over the weeks: a user is drawn into all weeks at once. */
function intervals(weeks: readonly Week[]): Interval[] {
  const users = Uint32Array.from(weeks.flatMap(({ cards }) => [...cards]));
  return bootstrapUsers(users, BOOTSTRAP, (weights) => {
    let start = 0;
    const figures = weeks.map(({ ranking, rows }) => {
      const quality = measureQuality(ranking, FALSE_POSITIVE_RATES, weights.subarray(start, start + rows));
      start += rows;
      return [quality.auc, quality.averagePrecision, ...quality.recallAt];
    });
    return figures[0].map((_, figure) => sum(figures.map((week) => week[figure])) / weeks.length);
  });
}

function figureOf(values: readonly number[], interval?: Interval): Figure {
  const mean = sum(values) / values.length;
  const deviation = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length);
  return { mean, deviation, ...(interval ? { interval } : {}) };
}

/** Each week is alerted from its own threshold of 2 % false positives on. */
function storiesOf(weeks: readonly Week[]): StageFigures['stories'] {
  const found = new Map<string, { frauds: number; alerted: number }>();
  for (const { scores, isFraud, stories } of weeks) {
    const legitimate = scores.filter((_, row) => isFraud[row] === 0).sort();
    const threshold = legitimate[legitimate.length - 1 - Math.floor(PROMISED_RATE * legitimate.length)];
    scores.forEach((score, row) => {
      if (isFraud[row] === 0) return;
      const story = found.get(stories[row]) ?? { frauds: 0, alerted: 0 };
      found.set(stories[row], {
        frauds: story.frauds + 1,
        alerted: story.alerted + Number(score > threshold),
      });
    });
  }
  const entries = [...found].sort(([one], [other]) => one.localeCompare(other));
  return Object.fromEntries(
    entries.map(([story, { frauds, alerted }]) => [story, { frauds, recall: alerted / frauds }]),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
