import type { TerminalId, TransactionId, UserId } from './ids.ts';

/** What became known about a transaction, as a caller reports it. Made only by `parseLabel`. */
export type Label = {
  readonly transactionId: TransactionId;
  readonly isFraud: boolean;
  /** When it became known, milliseconds since 1970-01-01T00:00:00Z; undefined means "as this arrives". */
  readonly knownAtMs: number | undefined;
};

/** A label joined to the transaction it speaks of: all that histories need to record it. */
export type KnownLabel = {
  readonly transactionId: TransactionId;
  readonly isFraud: boolean;
  /** What was believed before; false where nothing was. Only a change counts in histories. */
  readonly previousIsFraud: boolean;
  /** Never before the known-at time of the label that this one corrects. */
  readonly knownAtMs: number;
  readonly userId: UserId;
  readonly terminalId: TerminalId | undefined;
  /** Event time of the transaction the label speaks of. */
  readonly transactionTimestampMs: number;
  /** Positions of the label in its user's history and in its terminal's; undefined where the order of the log tells them. */
  readonly userPosition: number | undefined;
  readonly terminalPosition: number | undefined;
};
