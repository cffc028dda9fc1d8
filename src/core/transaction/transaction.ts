import type { TerminalId, TransactionId, UserId } from './ids.ts';
import { formatTimestamp } from './timestamp.ts';

/** A card transaction as every part of the system sees it. Made only by `parseTransaction`. */
export type Transaction = {
  readonly transactionId: TransactionId;
  readonly userId: UserId;
  readonly terminalId: TerminalId | undefined;
  /** Whole ten-thousandths of the currency's major unit: 12.34 is 123,400. Sums of these are exact. */
  readonly amountUnits: number;
  /** ISO 4217, three capital letters. */
  readonly currency: string | undefined;
  readonly merchantCategory: string;
  readonly isInternational: boolean;
  /** Event time, milliseconds since 1970-01-01T00:00:00Z. */
  readonly timestampMs: number;
  /** The caller's own JSON object, kept as its text and passed through. */
  readonly metadataJson: string | undefined;
};

/** Four decimals carry every currency of ISO 4217; an amount with more is rounded to the nearest. */
export const UNITS_PER_MAJOR = 10_000;

/** The transaction in the contract's own form. Two transactions are the same exactly if these texts are. */
export function transactionJson(transaction: Transaction): string {
  const { transactionId, userId, terminalId, currency, metadataJson } = transaction;
  return (
    `{"transaction_id":"${transactionId}","user_id":"${userId}",` +
    `"amount":${transaction.amountUnits / UNITS_PER_MAJOR},` +
    `"merchant_category":"${transaction.merchantCategory}",` +
    `"is_international":${transaction.isInternational},` +
    `"timestamp":"${formatTimestamp(transaction.timestampMs)}"` +
    (terminalId === undefined ? '' : `,"terminal_id":"${terminalId}"`) +
    (currency === undefined ? '' : `,"currency":"${currency}"`) +
    (metadataJson === undefined ? '}' : `,"metadata":${metadataJson}}`)
  );
}

/** True if both say the same about the same payment, member by member. */
export function isSameTransaction(one: Transaction, other: Transaction): boolean {
  return (
    one.transactionId === other.transactionId &&
    one.userId === other.userId &&
    one.terminalId === other.terminalId &&
    one.amountUnits === other.amountUnits &&
    one.currency === other.currency &&
    one.merchantCategory === other.merchantCategory &&
    one.isInternational === other.isInternational &&
    one.timestampMs === other.timestampMs &&
    one.metadataJson === other.metadataJson
  );
}
