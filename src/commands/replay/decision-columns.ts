import type { ColumnValues, TableColumn } from '../../adapters/duckdb/table-columns.ts';
import type { Decision } from '../../core/decision/decision.ts';
import { UNITS_PER_MAJOR } from '../../core/transaction/transaction.ts';
import type { Decided } from './replay.ts';

/** One row a transaction; a transaction whose id was taken by another has no decision. */
export const DECISION_COLUMNS: readonly TableColumn[] = [
  { name: 'transaction_id', type: 'text' },
  { name: 'user_id', type: 'text' },
  { name: 'timestamp', type: 'timestamp' },
  { name: 'amount', type: 'float64' },
  { name: 'arm', type: 'text' },
  { name: 'model_version', type: 'text' },
  { name: 'fraud_probability', type: 'float32' },
  { name: 'is_fraud', type: 'boolean' },
  { name: 'outcome', type: 'text' },
  { name: 'reason_codes', type: 'text' },
  { name: 'label', type: 'boolean' },
];

export function toDecisionColumns({ transactions, verdicts, labels }: Decided): ColumnValues[] {
  const decisions = verdicts.map((verdict) => (verdict.kind === 'decided' ? verdict.decision : undefined));
  const texts = (of: (decision: Decision) => string) =>
    decisions.map((decision) => (decision ? of(decision) : null));
  return [
    transactions.map(({ transactionId }) => transactionId),
    transactions.map(({ userId }) => userId),
    Float64Array.from(transactions, ({ timestampMs }) => timestampMs),
    Float64Array.from(transactions, ({ amountUnits }) => amountUnits / UNITS_PER_MAJOR),
    texts(({ arm }) => arm),
    texts(({ modelVersion }) => modelVersion),
    Float32Array.from(decisions, (decision) => decision?.fraudProbability ?? Number.NaN),
    decisions.map((decision) => decision?.isFraud ?? null),
    texts(({ outcome }) => outcome),
    texts(({ reasonCodes }) => reasonCodes.join(',')),
    labels,
  ];
}
