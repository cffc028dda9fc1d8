import type {
  DuckDBDataChunk,
  DuckDBDoubleVector,
  DuckDBUTinyIntVector,
  DuckDBVarCharVector,
} from '@duckdb/node-api';
import { isId, type TerminalId, type TransactionId, type UserId } from '../../core/transaction/ids.ts';
import {
  isAmount,
  isCurrency,
  isMerchantCategory,
  isTimestampMs,
  TRANSACTION_MEMBERS,
} from '../../core/transaction/members.ts';
import { type Transaction, UNITS_PER_MAJOR } from '../../core/transaction/transaction.ts';
import { FLAG_ABSENT, FLAG_FALSE, FLAG_TRUE, FLAG_UNREADABLE } from './member-column.ts';
import { MEMBER_KINDS, type MemberMapping, type RecordedMember } from './member-mapping.ts';

export type RecordedBatch = {
  readonly transactions: readonly Transaction[];
  /** One of the three LABEL_ values a transaction; undefined where no label column was asked for. */
  readonly labels: Uint8Array | undefined;
  /** The kind of fraud of each transaction, as the file says it; undefined where no such column was asked for. */
  readonly stories: readonly string[] | undefined;
};

export const LABEL_LEGITIMATE = 0;
export const LABEL_FRAUD = 1;
/** The file has nothing in the label's column. */
export const LABEL_UNKNOWN = FLAG_ABSENT;

/** A recorded row breaks a rule of the contract. Says where and which, never the value, which may be personal. */
export class RecordedRowError extends Error {
  readonly code = 'recorded-row';
  readonly path: string;
  /** Counted from 1, without the header. */
  readonly row: number;
  readonly member: string;
  readonly rule: string;

  constructor(path: string, row: number, member: string, rule: string) {
    super(`${path}: row ${row}: ${member} ${rule}`);
    this.name = 'RecordedRowError';
    this.path = path;
    this.row = row;
    this.member = member;
    this.rule = rule;
  }
}

/** The columns that `toRecordedBatch` reads, besides `file_index` and `row_number`. */
export function batchColumns({ labelColumn, storyColumn }: MemberMapping): string[] {
  const members = Object.keys(MEMBER_KINDS);
  if (labelColumn !== undefined) members.push('label');
  if (storyColumn !== undefined) members.push('story');
  return members;
}

/** @throws RecordedRowError at the first row that breaks a rule of the contract */
export function toRecordedBatch(
  chunk: DuckDBDataChunk,
  columnNames: readonly string[],
  files: readonly string[],
): RecordedBatch {
  const columns = openColumns(chunk, columnNames);
  const transactions = new Array<Transaction>(chunk.rowCount);
  for (let row = 0; row < transactions.length; row++) {
    transactions[row] = toTransaction(columns, row, files);
  }
  return {
    transactions,
    labels: columns.label && toLabels(columns, transactions.length, files),
    stories: columns.story && Array.from(transactions, (_, row) => columns.story!.getItem(row)!),
  };
}

type Columns = ReturnType<typeof openColumns>;

/** SQL leaves no NULLs, so `getItem` always gives a value. */
function openColumns(chunk: DuckDBDataChunk, columnNames: readonly string[]) {
  const vector = (name: string) => chunk.getColumnVector(columnNames.indexOf(name));
  const text = (name: RecordedMember) => vector(name) as DuckDBVarCharVector;
  return {
    transactionId: text('transaction_id'),
    userId: text('user_id'),
    terminalId: text('terminal_id'),
    currency: text('currency'),
    merchantCategory: text('merchant_category'),
    amount: vector('amount') as DuckDBDoubleVector,
    timestampMs: vector('timestamp') as DuckDBDoubleVector,
    isInternational: vector('is_international') as DuckDBUTinyIntVector,
    label: columnNames.includes('label') ? (vector('label') as DuckDBUTinyIntVector) : undefined,
    story: columnNames.includes('story') ? (vector('story') as DuckDBVarCharVector) : undefined,
    fileIndex: vector('file_index'),
    rowNumber: vector('row_number'),
  };
}

function toTransaction(columns: Columns, row: number, files: readonly string[]): Transaction {
  const amount = columns.amount.getItem(row)!;
  const international = columns.isInternational.getItem(row)!;
  const transaction: Transaction = {
    transactionId: columns.transactionId.getItem(row) as TransactionId,
    userId: columns.userId.getItem(row) as UserId,
    terminalId: (columns.terminalId.getItem(row) || undefined) as TerminalId | undefined,
    amountUnits: Math.round(amount * UNITS_PER_MAJOR),
    currency: columns.currency.getItem(row) || undefined,
    merchantCategory: columns.merchantCategory.getItem(row)!,
    isInternational: international === FLAG_TRUE,
    timestampMs: columns.timestampMs.getItem(row)!,
    metadataJson: undefined,
  };
  const broken = brokenMember(transaction, amount, international);
  if (broken !== undefined) throw refusal(columns, row, files, broken, TRANSACTION_MEMBERS[broken].rule);
  return transaction;
}

/** The first member that breaks its rule; amount and flag are looked at as they were before they were converted. */
function brokenMember(
  transaction: Transaction,
  amount: number,
  international: number,
): RecordedMember | undefined {
  const { transactionId, userId, terminalId, currency, merchantCategory, timestampMs } = transaction;
  if (!isTimestampMs(timestampMs)) return 'timestamp';
  if (!isId(transactionId)) return 'transaction_id';
  if (!isId(userId)) return 'user_id';
  if (terminalId !== undefined && !isId(terminalId)) return 'terminal_id';
  if (!isAmount(amount)) return 'amount';
  if (currency !== undefined && !isCurrency(currency)) return 'currency';
  if (!isMerchantCategory(merchantCategory)) return 'merchant_category';
  if (international !== FLAG_TRUE && international !== FLAG_FALSE) return 'is_international';
  return undefined;
}

function toLabels(columns: Columns, rowCount: number, files: readonly string[]): Uint8Array {
  const labels = new Uint8Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    labels[row] = columns.label!.getItem(row)!;
    if (labels[row] === FLAG_UNREADABLE) {
      throw refusal(columns, row, files, 'the label', 'must be true, false, 1, 0 or nothing');
    }
  }
  return labels;
}

function refusal(
  columns: Columns,
  row: number,
  files: readonly string[],
  member: string,
  rule: string,
): RecordedRowError {
  const path = files[Number(columns.fileIndex.getItem(row))];
  return new RecordedRowError(path, Number(columns.rowNumber.getItem(row)), member, rule);
}
