/**
 * A decision as JSON, and back. It begins as the answer that was given, so that whoever reads answers can read these; what
 * follows is all that the decision was made from. Numbers are written with all their digits: a float32 comes back the same.
 */

import type { TerminalId, TransactionId, UserId } from '../transaction/ids.ts';
import { formatTimestamp, parseTimestampMs } from '../transaction/timestamp.ts';
import { type Transaction, transactionJson, UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import { answerJson } from './answer.ts';
import type { Arm, Decision, Outcome, Stage } from './decision.ts';

/** @param featureNames of the control document that the decision was made under */
export function decisionJson(decision: Decision, featureNames: readonly string[]): string {
  const { userId, timestampMs } = decision.transaction;
  return (
    `${answerJson(decision).slice(0, -1)},"user_id":"${userId}","timestamp":"${formatTimestamp(timestampMs)}",` +
    `${groundsJson(decision, featureNames)}}`
  );
}

/** What a decision was made from: the members of an object, without its braces. */
export function groundsJson(decision: Decision, featureNames: readonly string[]): string {
  return (
    `"transaction":${transactionJson(decision.transaction)},` +
    `"arm":"${decision.arm}",` +
    `"control_version":${decision.controlVersion},` +
    `"is_out_of_order":${decision.isOutOfOrder},` +
    `"user_position":${decision.userPosition ?? null},` +
    `"terminal_position":${decision.terminalPosition ?? null},` +
    `"features":${featuresJson(decision.features, featureNames)}`
  );
}

/** A transaction with the features that were computed for it. */
export function featureUpdateJson(
  transaction: Transaction,
  features: Float32Array,
  featureNames: readonly string[],
): string {
  return `{"transaction":${transactionJson(transaction)},"features":${featuresJson(features, featureNames)}}`;
}

/** Of an object's JSON that `decisionJson` wrote; other members are passed over. @throws SyntaxError for other text */
export function parseDecisionJson(text: string): Decision {
  const written = JSON.parse(text) as WrittenDecision;
  return {
    transaction: parseTransaction(written.transaction, text),
    userPosition: written.user_position ?? undefined,
    terminalPosition: written.terminal_position ?? undefined,
    isOutOfOrder: written.is_out_of_order,
    features: Float32Array.from(Object.values(written.features), (value) => value ?? Number.NaN),
    controlVersion: written.control_version,
    arm: written.arm,
    modelVersion: written.model_version,
    fraudProbability: written.fraud_probability,
    isFraud: written.is_fraud,
    outcome: written.outcome,
    reasonCodes: written.reason_codes,
    degraded: written.degraded,
    decidedAtMs: parseTimestampMs(written.decided_at),
    latencyMs: written.latency_ms,
  };
}

type WrittenDecision = {
  readonly is_fraud: boolean;
  readonly fraud_probability: number;
  readonly model_version: string;
  readonly latency_ms: number;
  readonly outcome: Outcome;
  readonly reason_codes: readonly string[];
  readonly degraded: readonly Stage[];
  readonly decided_at: string;
  readonly transaction: WrittenTransaction;
  readonly arm: Arm;
  readonly control_version: number;
  readonly is_out_of_order: boolean;
  readonly user_position: number | null;
  readonly terminal_position: number | null;
  readonly features: Readonly<Record<string, number | null>>;
};

type WrittenTransaction = {
  readonly transaction_id: string;
  readonly user_id: string;
  readonly amount: number;
  readonly merchant_category: string;
  readonly is_international: boolean;
  readonly timestamp: string;
  readonly terminal_id?: string;
  readonly currency?: string;
  readonly metadata?: object;
};

function featuresJson(features: Float32Array, names: readonly string[]): string {
  if (features.length !== names.length) {
    throw new RangeError(`${features.length} features and ${names.length} names for them`);
  }
  let json = '{';
  for (let index = 0; index < names.length; index++) {
    json += `${index === 0 ? '"' : ',"'}${names[index]}":${numberJson(features[index])}`;
  }
  return `${json}}`;
}

/** JSON has no NaN: a feature without a value is null. Of infinity it has no name either, but numbers that are read as it. */
function numberJson(value: number): string {
  if (Number.isNaN(value)) return 'null';
  if (value === 0 && Object.is(value, -0)) return '-0';
  if (!Number.isFinite(value)) return value > 0 ? '1e999' : '-1e999';
  return String(value);
}

/** Needs no second check of its members: only parsed transactions were written. */
function parseTransaction(written: WrittenTransaction, text: string): Transaction {
  return {
    transactionId: written.transaction_id as TransactionId,
    userId: written.user_id as UserId,
    terminalId: written.terminal_id as TerminalId | undefined,
    amountUnits: Math.round(written.amount * UNITS_PER_MAJOR),
    currency: written.currency,
    merchantCategory: written.merchant_category,
    isInternational: written.is_international,
    timestampMs: parseTimestampMs(written.timestamp),
    metadataJson: written.metadata === undefined ? undefined : metadataTextOf(text),
  };
}

const METADATA = ',"metadata":';
const BEHIND_METADATA = '},"arm":"';

/**
 * The metadata as they were written, to the character. Before them stand only texts without quotes, behind them only
 * numbers and nulls as values: so the first of the one mark and the last of the other are those that we wrote.
 */
function metadataTextOf(text: string): string {
  const start = text.indexOf(METADATA, text.indexOf('"transaction":'));
  return text.slice(start + METADATA.length, text.lastIndexOf(BEHIND_METADATA));
}
