/** What the tests of the embedded views do with them: play a stream of events as the lane would, and look at all. */
import fc from 'fast-check';
import type { Decision } from '../../core/decision/decision.ts';
import { arbitrarySteps, type StreamEvent, streamOf } from '../../core/features/arbitrary-stream.ts';
import type { TerminalId, TransactionId, UserId } from '../../core/transaction/ids.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import { sampleControl, sampleDecision } from '../../pipeline/event-log.contract.ts';
import type { LogEvent, PositionedEventLog } from '../../pipeline/event-log.ts';
import type { LmdbView, LmdbViewOptions } from './lmdb-view.ts';

/** Small enough for sweeps to begin, end and overlap all the time, and for histories to leave memory. */
export const TINY: LmdbViewOptions = {
  sweepHistories: 2,
  sliceHistories: 1,
  writeEntries: 3,
  generationHistories: 1,
};

/** What the lane would append of such a stream: no transaction twice. */
export function toLogEvents(stream: readonly StreamEvent[]): LogEvent[] {
  const seen = new Set<string>();
  const events: LogEvent[] = [sampleControl(1)];
  for (const event of stream) {
    if (event.kind === 'label') events.push({ kind: 'label', label: event.label });
    if (event.kind !== 'transaction' || seen.has(event.transaction.transactionId)) continue;
    seen.add(event.transaction.transactionId);
    events.push({ kind: 'decision', decision: decisionOf(event.transaction) });
  }
  return events;
}

/** The same events for the same seed. */
export function arbitraryLogEvents(seed: number): LogEvent[] {
  const [steps] = fc.sample(arbitrarySteps, { seed, numRuns: 1 });
  return toLogEvents(streamOf(steps));
}

export function decisionOf(transaction: Transaction): Decision {
  const event = sampleDecision(1);
  if (event.kind !== 'decision') throw new TypeError(event.kind);
  return { ...event.decision, transaction };
}

/** Records, appends and follows one batch of one kind, as the lane does. */
export async function playBatch(
  view: LmdbView,
  log: PositionedEventLog,
  events: readonly LogEvent[],
): Promise<Promise<void>[]> {
  const decisions = events.flatMap((event) => (event.kind === 'decision' ? [event.decision] : []));
  const labels = events.flatMap((event) => (event.kind === 'label' ? [event.label] : []));
  if (decisions.length > 0) await view.featureStore.record(decisions.map(({ transaction }) => transaction));
  if (labels.length > 0) await view.featureStore.recordLabels(labels);
  const { positions, durable } = log.append(events);
  if (decisions.length > 0) view.decisionIndex.tookDecisions(decisions, positions);
  view.decisionIndex.tookLabels(labels);
  for (const event of events) if (event.kind === 'control') view.controlHistory.add(event.control);
  view.follow(log.end, durable);
  return [durable];
}

/** Batches of at most `size` events of one kind. */
export function toBatches(events: readonly LogEvent[], size: number): LogEvent[][] {
  const batches: LogEvent[][] = [];
  for (const event of events) {
    const last = batches.at(-1);
    if (last && last.length < size && last[0].kind === event.kind) last.push(event);
    else batches.push([event]);
  }
  return batches;
}

/** Everything that the views hold of the entities and ids of these events, for comparison. */
export async function contentsOf(
  view: LmdbView,
  events: readonly LogEvent[],
): Promise<Record<string, unknown>> {
  const contents: Record<string, unknown> = { control: view.controlHistory.latest };
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const { users, terminals } = view.featureStore;
  const ids: TransactionId[] = [];
  for (const event of events) {
    if (event.kind !== 'decision') continue;
    const { transactionId, userId, terminalId } = event.decision.transaction;
    ids.push(transactionId);
    contents[`user ${userId satisfies UserId}`] ??= hex(users.get(userId).history.toBytes());
    if (terminalId === undefined) continue;
    contents[`terminal ${terminalId satisfies TerminalId}`] ??= hex(
      terminals.get(terminalId).history.toBytes(),
    );
  }
  for (const [index, found] of (await view.decisionIndex.find(ids)).entries())
    contents[`decision ${ids[index]}`] = found && {
      id: found.decision.transaction.transactionId,
      label: found.label,
    };
  return contents;
}
