/** The options by which verbs read recorded transactions, and the labels that become known while they pass. */
import { LABEL_FRAUD, type RecordedBatch } from '../adapters/duckdb/recorded-batch.ts';
import {
  openRecordedTransactions,
  type RecordedTransactions,
} from '../adapters/duckdb/recorded-transactions.ts';
import { type Arguments, type Options, UsageError } from '../command-line/command.ts';
import type { Transaction } from '../core/transaction/transaction.ts';

export const RECORDED_OPTIONS: Options = {
  column: {
    value: 'MEMBER=COLUMN',
    description: 'the file’s column for a member of the contract, where its name is another',
    isRepeatable: true,
  },
  default: {
    value: 'MEMBER=VALUE',
    description: 'value of merchant_category, is_international or currency where the file has none',
    isRepeatable: true,
  },
  'label-column': { value: 'COLUMN', description: 'column that says whether a transaction was fraud' },
  'label-delay': {
    value: 'TIME',
    description: 'how long after a transaction its label is known: 7d, 12h, 0d',
    default: '7d',
  },
};

export const RECORDED_HELP = `FILES are Parquet, CSV or NDJSON by their ending, read as one stream in event-time order. A timestamp column without a
zone is read as UTC. Only frauds are reported, as chargebacks are: what is not reported stays legitimate.`;

/** The files and mapping that a verb's words name. @throws UsageError */
export async function openRecordedInput(arguments_: Arguments): Promise<RecordedTransactions> {
  if (arguments_.positionals.length === 0)
    throw new UsageError('name at least one file of recorded transactions');
  return openRecordedTransactions({
    files: arguments_.positionals,
    columns: pairs(arguments_.texts('column'), '--column MEMBER=COLUMN'),
    defaults: pairs(arguments_.texts('default'), '--default MEMBER=VALUE'),
    labelColumn: arguments_.text('label-column'),
    storyColumn: arguments_.text('story-column'),
  });
}

export function labelDelayMs(arguments_: Arguments): number {
  const text = arguments_.required('label-delay');
  const match = /^(\d{1,5})([smhd])$/.exec(text);
  if (!match) throw new UsageError(`--label-delay must be a time such as 7d, 12h, 30m or 0s, not "${text}"`);
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
  return Number(match[1]) * unitMs;
}

/** Labels that have been taken and are still held. */
const TAKEN_MAX = 1_024;

export type PendingFraud = {
  readonly transaction: Transaction;
  readonly knownAtMs: number;
  readonly ordinal: number;
};

/** Frauds whose label is not known yet. Transactions come in event-time order, so labels become known in the same. */
export class PendingLabels {
  readonly #delayMs: number;
  #pending: PendingFraud[] = [];
  #next = 0;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** Takes the label of the transaction that is the `ordinal`th of the stream. */
  add({ transactions, labels }: RecordedBatch, index: number, ordinal: number): void {
    if (labels?.[index] !== LABEL_FRAUD) return;
    const transaction = transactions[index];
    this.#pending.push({ transaction, ordinal, knownAtMs: transaction.timestampMs + this.#delayMs });
  }

  hasKnown(timeMs: number): boolean {
    const fraud = this.#pending[this.#next];
    return fraud !== undefined && fraud.knownAtMs <= timeMs;
  }

  /** The next label that is known at this time; undefined if there is none. */
  takeKnown(timeMs: number): PendingFraud | undefined {
    if (!this.hasKnown(timeMs)) return undefined;
    const fraud = this.#pending[this.#next++];
    if (this.#next >= TAKEN_MAX) {
      this.#pending = this.#pending.slice(this.#next);
      this.#next = 0;
    }
    return fraud;
  }
}

function pairs(texts: readonly string[], form: string): Record<string, string> {
  const entries = texts.map((text) => {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new UsageError(`"${text}" is not of the form ${form}`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  return Object.fromEntries(entries);
}
