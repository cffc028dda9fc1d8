import type { ColumnValues, TableColumn } from '../../adapters/duckdb/table-columns.ts';
import { FRAUD_STORIES, NO_FRAUD } from './fraud-stories.ts';
import { MERCHANT_CATEGORIES } from './merchant-categories.ts';
import type { SimulatedTransaction } from './simulated-day.ts';

/** The contract's members, then what is known of a transaction because we made it. */
export const SIMULATED_COLUMNS: readonly TableColumn[] = [
  { name: 'transaction_id', type: 'text' },
  { name: 'user_id', type: 'text' },
  { name: 'terminal_id', type: 'text' },
  { name: 'amount', type: 'float64' },
  { name: 'currency', type: 'text' },
  { name: 'merchant_category', type: 'text' },
  { name: 'is_international', type: 'boolean' },
  { name: 'timestamp', type: 'timestamp' },
  { name: 'is_fraud', type: 'boolean' },
  { name: 'fraud_story', type: 'text' },
];

const CURRENCY = 'EUR';

/** Ids are of fixed width; larger simulations have wider ones. */
const TRANSACTION_DIGITS = 9;
const PLACE_DIGITS = 5;

/** One array a column of SIMULATED_COLUMNS; the transactions are numbered from `firstNumber` on. */
export function toColumns(
  transactions: readonly SimulatedTransaction[],
  { midnightMs, firstNumber, users, terminals }: ColumnContext,
): ColumnValues[] {
  const userDigits = Math.max(PLACE_DIGITS, String(users - 1).length);
  const terminalDigits = Math.max(PLACE_DIGITS, String(terminals - 1).length);
  return [
    transactions.map((_, index) => toId('t', firstNumber + index, TRANSACTION_DIGITS)),
    transactions.map(({ user }) => toId('u', user, userDigits)),
    transactions.map(({ terminal }) => toId('m', terminal, terminalDigits)),
    transactions.map(({ amount }) => amount),
    transactions.map(() => CURRENCY),
    transactions.map(({ category }) => MERCHANT_CATEGORIES[category].name),
    transactions.map(({ isInternational }) => isInternational),
    transactions.map(({ timeOfDayMs }) => midnightMs + timeOfDayMs),
    transactions.map(({ story }) => story !== NO_FRAUD),
    transactions.map(({ story }) => FRAUD_STORIES[story]),
  ];
}

type ColumnContext = {
  readonly midnightMs: number;
  readonly firstNumber: number;
  readonly users: number;
  readonly terminals: number;
};

function toId(kind: 't' | 'u' | 'm', number: number, digits: number): string {
  return `${kind}-${String(number).padStart(digits, '0')}`;
}
