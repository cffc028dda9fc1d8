/**
 * Labelled transactions of a made-up world, after the published description of the Fraud Detection Handbook's simulator:
 * the same options give the same file, byte for byte, and more days only add to its end.
 */
import { createTableWriter } from '../../adapters/duckdb/table-writer.ts';
import { createRandom } from '../../core/random/random.ts';
import { createFraudStories, FRAUD_STORIES } from './fraud-stories.ts';
import { createPopulation } from './population.ts';
import { assertSimulateOptions, type SimulateOptions } from './simulate-options.ts';
import { SIMULATED_COLUMNS, toColumns } from './simulated-columns.ts';
import { DAY_MS, type SimulatedTransaction, simulateDay } from './simulated-day.ts';

export type SimulationProgress = {
  readonly daysDone: number;
  readonly days: number;
  readonly transactions: number;
  readonly frauds: number;
};

export type SimulationSummary = SimulationProgress & {
  /** Transactions by the story that they belong to, `none` included. */
  readonly byStory: Readonly<Record<(typeof FRAUD_STORIES)[number], number>>;
};

/** Streams of the seed's random numbers; none may ever be renumbered. */
const [POPULATION_STREAM, STORIES_STREAM, PAYMENTS_STREAM] = [1, 2, 3];

/**
 * Simulates day by day into `options.out`, Parquet or NDJSON by its ending; holds one day at a time.
 * @throws SimulateOptionError naming the option that is out of its range
 * @throws TableFileError if the file cannot be made
 */
export async function simulate(
  options: SimulateOptions,
  onProgress: (progress: SimulationProgress) => void = () => {},
): Promise<SimulationSummary> {
  assertSimulateOptions(options);
  await using writer = await createTableWriter(options.out, SIMULATED_COLUMNS, {
    overwrite: options.overwrite,
  });
  const { users, terminals, startMs } = options;
  const counts = FRAUD_STORIES.map(() => 0);
  let progress = toProgress(0, options, counts);
  for (const { day, payments } of simulateDays(options)) {
    const midnightMs = startMs + day * DAY_MS;
    const firstNumber = progress.transactions;
    await writer.append(toColumns(payments, { midnightMs, firstNumber, users, terminals }));
    for (const { story } of payments) counts[story]++;
    progress = toProgress(day + 1, options, counts);
    onProgress(progress);
  }
  await writer.close();
  const byStory = Object.fromEntries(FRAUD_STORIES.map((story, index) => [story, counts[index]]));
  return { ...progress, byStory: byStory as SimulationSummary['byStory'] };
}

/** The payments of each day, in the order of time; only the seed decides what they are. */
export function* simulateDays(
  options: Pick<SimulateOptions, 'users' | 'terminals' | 'days' | 'seed'>,
): Generator<{ day: number; payments: readonly SimulatedTransaction[] }, void, void> {
  const population = createPopulation(createRandom(options.seed, POPULATION_STREAM), options);
  const stories = createFraudStories(createRandom(options.seed, STORIES_STREAM), population);
  const random = createRandom(options.seed, PAYMENTS_STREAM);
  for (let day = 0; day < options.days; day++) {
    stories.beginDay(day);
    yield { day, payments: simulateDay(random, population, stories) };
  }
}

function toProgress(
  daysDone: number,
  { days }: SimulateOptions,
  counts: readonly number[],
): SimulationProgress {
  const transactions = counts.reduce((sum, count) => sum + count, 0);
  return { daysDone, days, transactions, frauds: transactions - counts[0] };
}
