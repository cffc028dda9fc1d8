import { EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS } from '../../core/transaction/timestamp.ts';

export type SimulateOptions = {
  readonly users: number;
  readonly terminals: number;
  readonly days: number;
  readonly seed: number;
  /** The first day's midnight, milliseconds since 1970-01-01T00:00:00Z. */
  readonly startMs: number;
  /** Where to write, ending in `.parquet` or `.ndjson`. */
  readonly out: string;
  /** Whether a file that is there already may be replaced. */
  readonly overwrite: boolean;
};

/** The size of the handbook's own data set, over a month. */
export const SIMULATE_DEFAULTS = {
  users: 5_000,
  terminals: 10_000,
  days: 30,
  seed: 1,
  startMs: Date.UTC(2026, 0, 1),
  overwrite: false,
} as const satisfies Omit<SimulateOptions, 'out'>;

/** A day of this many people is some two million payments, and their places about a gigabyte while it is made. */
const USERS_MAX = 1_000_000;
const TERMINALS_MAX = 1_000_000;
const DAYS_MAX = 3_660;

/** An option of the simulation is out of its range. */
export class SimulateOptionError extends Error {
  readonly code = 'simulate-option';
  readonly option: string;

  constructor(option: string, rule: string, found: number) {
    super(`${option} must be a whole number ${rule}, found ${found}`);
    this.name = 'SimulateOptionError';
    this.option = option;
  }
}

/** @throws SimulateOptionError naming the first option that is out of its range */
export function assertSimulateOptions(options: SimulateOptions): void {
  assertRange('users', options.users, 1, USERS_MAX);
  assertRange('terminals', options.terminals, 1, TERMINALS_MAX);
  assertRange('days', options.days, 1, DAYS_MAX);
  assertRange('seed', options.seed, 0, Number.MAX_SAFE_INTEGER);
  const latestStartMs = LATEST_TIMESTAMP_MS - DAYS_MAX * 86_400_000;
  assertRange('startMs', options.startMs, EARLIEST_TIMESTAMP_MS, latestStartMs);
}

function assertRange(option: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new SimulateOptionError(option, `from ${least} to ${most}`, value);
}
