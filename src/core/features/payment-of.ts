import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';

type Plain<Typed> = {
  [Name in keyof Typed]?: NonNullable<Typed[Name]> extends string ? string | undefined : Typed[Name];
};
let made = 0;

/** The tests' payment: a fresh id, ten units of money at a quiet moment, and whatever the test says otherwise. */
export function paymentOf(said: Plain<Transaction>): Transaction {
  made += 1;
  return {
    transactionId: `made-${made}`,
    userId: 'u1',
    terminalId: undefined,
    amountUnits: 100_000,
    currency: undefined,
    merchantCategory: 'grocery',
    isInternational: false,
    timestampMs: Date.UTC(2024, 5, 12, 12),
    metadataJson: undefined,
    ...said,
  } as Transaction;
}

/** The tests' label: the transaction is known to be fraud from `knownAtMs` on, unless the test says otherwise. */
export function labelOf(
  transaction: Transaction,
  said: Plain<KnownLabel> & { knownAtMs: number },
): KnownLabel {
  const { transactionId, userId, terminalId, timestampMs } = transaction;
  const spokenOf = { transactionId, userId, terminalId, transactionTimestampMs: timestampMs };
  const places = { userPosition: undefined, terminalPosition: undefined };
  return { isFraud: true, previousIsFraud: false, ...places, ...spokenOf, ...said } as KnownLabel;
}
