import type { LogEvent, LogPosition } from '../../pipeline/event-log.ts';

/** The events of one call, on their way. */
export type Entry = PromiseWithResolvers<void> & {
  readonly events: readonly LogEvent[];
  /** When the primary got them. */
  sentAtMs: number;
  /** What became of them in the primary; never rejects. */
  outcome: Promise<boolean>;
  isAcknowledged: boolean;
  /** Where they end in the spool, if they are there. */
  spooledUntil: LogPosition | undefined;
};
