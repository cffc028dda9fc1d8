import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from './connection.ts';
import { LoadSession } from './load-session.ts';
import type { Meter } from './meter.ts';
import type { Tally } from './tally.ts';
import type { TransactionMix } from './transaction-mix.ts';

/**
 * Every connection sends its next payment as soon as it has the answer to the one before. This finds out how
 * much a server can do; its latencies say little, because a slow server is asked less.
 */
export async function runClosedLoop(plan: {
  readonly targets: readonly Target[];
  readonly connections: number;
  readonly transactions: TransactionMix;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly meter: Meter;
  readonly onAnswered?: (transactionId: string) => void;
}): Promise<Tally> {
  const beginMs = performance.now();
  const measuredFromMs = beginMs + plan.warmUpMs;
  const endMs = measuredFromMs + plan.durationMs;
  using session = new LoadSession({
    ...plan,
    measuredFromMs,
    onIdle: (connection) => {
      const nowMs = performance.now();
      if (nowMs < endMs) session.send(connection, nowMs);
    },
  });
  await delay(plan.warmUpMs);
  plan.meter.begin();
  await delay(endMs - performance.now());
  await session.drained();
  plan.meter.end();
  return session.toTally();
}
