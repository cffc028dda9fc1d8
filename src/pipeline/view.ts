import type { Decision } from '../core/decision/decision.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { Appended, LoggedEvent, LogPosition, PositionedEventLog } from './event-log.ts';

/**
 * The side of a view that keeps it true to the log. Views on servers that outlive this process look after themselves;
 * the embedded ones hold what is not yet on disk in memory, and are told here what they may write down.
 */
export interface LogView {
  /** The log from here on may be missing from the view. */
  readonly position: LogPosition;
  /** Applies an event that may be in the view already. */
  apply(logged: LoggedEvent): void;
  /** The log has taken decisions whose transactions were recorded in the histories. */
  tookDecisions(decisions: readonly Decision[], appended: Appended): void;
  /** The log has taken labels that were recorded in the histories. */
  tookLabels(labels: readonly KnownLabel[], appended: Appended): void;
  /** All that was recorded so far stands in the log before `end`, and is durable when `durable` resolves. */
  follow(end: LogPosition, durable: Promise<void>): void;
  /** Forgets what is not durable, and is then as the log is. Nothing may be recorded meanwhile. */
  startOver(): Promise<void>;
}

/** Applies to the view what the log has beyond it. @returns the number of events applied */
export async function catchUp(
  view: Pick<LogView, 'position' | 'apply' | 'follow'>,
  log: Pick<PositionedEventLog, 'read'>,
  onProgress?: (position: LogPosition) => void,
): Promise<number> {
  let applied = 0;
  for await (const batch of log.read(view.position)) {
    for (const logged of batch) view.apply(logged);
    applied += batch.length;
    const next = batch.at(-1)?.nextPosition ?? view.position;
    view.follow(next, Promise.resolve());
    onProgress?.(next);
  }
  return applied;
}
