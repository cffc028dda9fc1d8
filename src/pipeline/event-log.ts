import type { ControlDocument } from '../core/decision/control-document.ts';
import type { Decision } from '../core/decision/decision.ts';
import type { TerminalId, TransactionId, UserId } from '../core/transaction/ids.ts';
import type { KnownLabel } from '../core/transaction/label.ts';

/** What the log holds: the whole truth, from which every view can be made again. */
export type LogEvent =
  | { readonly kind: 'decision'; readonly decision: Decision }
  | { readonly kind: 'label'; readonly label: KnownLabel }
  | { readonly kind: 'placement'; readonly placement: Placement }
  | { readonly kind: 'control'; readonly control: ControlDocument };

/**
 * Where a transaction came to stand in its histories that was decided while these were out of reach. The log of one
 * process needs none, as its order says it.
 */
export type Placement = {
  readonly transactionId: TransactionId;
  readonly userId: UserId;
  readonly terminalId: TerminalId | undefined;
  readonly userPosition: number;
  readonly terminalPosition: number | undefined;
};

/** Where an event stands in the log; later events have greater positions. */
export type LogPosition = number;

export type LoggedEvent = {
  readonly position: LogPosition;
  /** Where the event after this one will stand: a view that has applied this event continues here. */
  readonly nextPosition: LogPosition;
  readonly event: LogEvent;
};

/** Result of handing events to the log: their places at once, their durability when it is reached. */
export type Appended = {
  readonly positions: readonly LogPosition[];
  /** Where the next event will stand. */
  readonly end: LogPosition;
  /** Resolves when every event of the call is durable; rejects with LogUnavailableError if none of them is. */
  readonly durable: Promise<void>;
};

export interface EventLog extends AsyncDisposable {
  /**
   * Takes the events in order. Events of one call and of calls made while a write is in flight become durable
   * together. When `durable` rejects, all events appended since the last durable one are gone from the log, the
   * calls of all of them reject, and the log accepts new events again. Throws LogUnavailableError, having taken
   * none of the events, where it cannot even hold them until then.
   */
  append(events: readonly LogEvent[]): Appended;
  /** True while events are kept beside the log, which cannot be reached, to be forwarded later. */
  readonly isSpooling: boolean;
}

/** A log whose events have places in one order, and can be found by them. */
export interface PositionedEventLog extends EventLog {
  /** Every durable event from `from` on, in order, up to the end as it is when the reading gets there. */
  read(from: LogPosition): AsyncIterable<readonly LoggedEvent[]>;
  /** The durable event at exactly this position. */
  readAt(position: LogPosition): Promise<LogEvent>;
  /** Position of the next event. */
  readonly end: LogPosition;
  /** Everything before this position is durable. */
  readonly durableEnd: LogPosition;
}

/** The log cannot take events now (disk full, broker away). Nothing that was refused is in the log. */
export class LogUnavailableError extends Error {
  readonly code = 'log-unavailable';
}
