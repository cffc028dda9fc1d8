import { isUtf8 } from 'node:buffer';
import type { ConsumedRecord } from '../../adapters/kafka/transaction-consumer.ts';
import { ContractError } from '../../core/transaction/contract-error.ts';
import type { Label } from '../../core/transaction/label.ts';
import { parseLabel, parseTransaction } from '../../core/transaction/parse-transaction.ts';
import { parseStrictJson } from '../../core/transaction/strict-json.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';

/** The same as HTTP's door takes. */
const VALUE_BYTES_MAX = 65_536;
const MAX_AHEAD_MS = 86_400_000;

export type ReadRecord = { readonly record: ConsumedRecord } & (
  | { readonly kind: 'transaction'; readonly transaction: Transaction }
  | { readonly kind: 'label'; readonly label: Label }
  | { readonly kind: 'unreadable'; readonly reason: string }
);

/** A record as what it says, or why it says nothing. The reason never repeats the record. */
export function readRecord(record: ConsumedRecord, nowMs: number): ReadRecord {
  try {
    const message = parseValue(record.value);
    if (record.topic === 'labels')
      return { record, kind: 'label', label: toLabel(parseLabel(message), record) };
    const transaction = parseTransaction(message);
    if (transaction.timestampMs > nowMs + MAX_AHEAD_MS)
      throw new ContractError(
        'timestamp',
        'must be at most a day ahead of the service’s clock',
        'a later one',
      );
    return { record, kind: 'transaction', transaction };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { record, kind: 'unreadable', reason: error.message };
  }
}

/** Known when it was sent, unless it says otherwise: read once more, it says the same. */
function toLabel(label: Label, { timestampMs }: ConsumedRecord): Label {
  return { ...label, knownAtMs: label.knownAtMs ?? Number(timestampMs) };
}

function parseValue(value: Buffer | undefined): unknown {
  if (!value) throw new ContractError('value', 'must be there', 'nothing');
  if (value.length > VALUE_BYTES_MAX)
    throw new ContractError('value', `must be at most ${VALUE_BYTES_MAX} bytes`, `${value.length}`);
  if (!isUtf8(value)) throw new ContractError('value', 'must be UTF-8', 'other bytes');
  return parseStrictJson(value.toString('utf8'));
}
