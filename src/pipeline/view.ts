import type { EventLog, LoggedEvent, LogPosition } from './event-log.ts';

/**
 * The side of a view that keeps it true to the log. Views on servers that outlive this process look after themselves;
 * the embedded ones hold what is not yet on disk in memory, and are told here what they may write down.
 */
export interface LogView {
  /** The log from here on may be missing from the view. */
  readonly position: LogPosition;
  /** Applies an event that may be in the view already. */
  apply(logged: LoggedEvent): void;
  /** All that was recorded so far stands in the log before `end`, and is durable when `durable` resolves. */
  follow(end: LogPosition, durable: Promise<void>): void;
  /** Forgets all that is not on disk; afterwards the view is as the log was at `position`. */
  reset(): Promise<void>;
}

export type CatchUpProgress = (position: LogPosition, end: LogPosition) => void;

/** Applies to the view what the log has beyond it. @returns the number of events applied */
export async function catchUp(view: LogView, log: EventLog, onProgress?: CatchUpProgress): Promise<number> {
  let applied = 0;
  for await (const batch of log.read(view.position)) {
    for (const logged of batch) view.apply(logged);
    applied += batch.length;
    const next = batch.at(-1)?.nextPosition ?? view.position;
    view.follow(next, Promise.resolve());
    onProgress?.(next, log.durableEnd);
  }
  return applied;
}
