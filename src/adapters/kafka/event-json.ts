/**
 * Events of the log as records: which topic, which key, and JSON. Decisions, labels and placements are keyed by user, so
 * that all of a user is in the partition of the same number. Control documents are keyed by version and content: of two that
 * were made under one version the first counts, so compaction, which keeps the last of a key, must keep both.
 */
import { createHash } from 'node:crypto';
import type { ControlDocument } from '../../core/decision/control-document.ts';
import { decisionJson, parseDecisionJson } from '../../core/decision/decision-json.ts';
import type { TerminalId, TransactionId, UserId } from '../../core/transaction/ids.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import { formatTimestamp, parseTimestampMs } from '../../core/transaction/timestamp.ts';
import type { LogEvent, Placement } from '../../pipeline/event-log.ts';

export type EventTopic = 'predictions' | 'history-events' | 'control';
/** In the order in which a reader needs them: names of features, decisions, and what was said of these later. */
export const EVENT_TOPICS: readonly EventTopic[] = ['control', 'predictions', 'history-events'];

const DIGEST_CHARACTERS = 16;

export type EventRecord = {
  readonly topic: EventTopic;
  /** ASCII. */
  readonly key: string;
  readonly value: string;
};

/** What is in the topic is not what this program writes there. */
export class UnreadableRecordError extends Error {
  readonly code = 'unreadable-record';
}

/** @param featureNamesOf the names that decisions under a version of the control document carry */
export function encodeEvent(
  event: LogEvent,
  featureNamesOf: (controlVersion: number) => readonly string[],
): EventRecord {
  switch (event.kind) {
    case 'decision': {
      const { decision } = event;
      const value = decisionJson(decision, featureNamesOf(decision.controlVersion));
      return { topic: 'predictions', key: decision.transaction.userId, value };
    }
    case 'label':
      return { topic: 'history-events', key: event.label.userId, value: labelJson(event.label) };
    case 'placement':
      return { topic: 'history-events', key: event.placement.userId, value: placementJson(event.placement) };
    case 'control':
      return controlRecord(event.control);
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

function controlRecord(control: ControlDocument): EventRecord {
  const value = JSON.stringify(control);
  const digest = createHash('sha256').update(value).digest('hex').slice(0, DIGEST_CHARACTERS);
  return { topic: 'control', key: `${control.version} ${digest}`, value };
}

/** @throws UnreadableRecordError */
export function parseEvent(topic: EventTopic, value: string): LogEvent {
  try {
    if (topic === 'predictions') return { kind: 'decision', decision: parseDecisionJson(value) };
    if (topic === 'control') return { kind: 'control', control: JSON.parse(value) as ControlDocument };
    return parseHistoryEvent(JSON.parse(value) as WrittenHistoryEvent);
  } catch (cause) {
    // Without the cause's message: it quotes the record, which is a card holder's.
    throw new UnreadableRecordError(`a record of ${topic} cannot be read (${(cause as Error).name})`);
  }
}

type WrittenPlace = {
  readonly transaction_id: string;
  readonly user_id: string;
  readonly terminal_id: string | null;
  readonly user_position: number | null;
  readonly terminal_position: number | null;
};

type WrittenHistoryEvent = WrittenPlace &
  (
    | { readonly kind: 'placement' }
    | {
        readonly kind: 'label';
        readonly is_fraud: boolean;
        readonly previous_is_fraud: boolean;
        readonly known_at: string;
        readonly transaction_timestamp: string;
      }
  );

function labelJson(label: KnownLabel): string {
  return JSON.stringify({
    kind: 'label',
    ...placeMembers(label),
    is_fraud: label.isFraud,
    previous_is_fraud: label.previousIsFraud,
    known_at: formatTimestamp(label.knownAtMs),
    transaction_timestamp: formatTimestamp(label.transactionTimestampMs),
  } satisfies WrittenHistoryEvent);
}

function placementJson(placement: Placement): string {
  return JSON.stringify({ kind: 'placement', ...placeMembers(placement) } satisfies WrittenHistoryEvent);
}

function placeMembers(place: KnownLabel | Placement): WrittenPlace {
  return {
    transaction_id: place.transactionId,
    user_id: place.userId,
    terminal_id: place.terminalId ?? null,
    user_position: place.userPosition ?? null,
    terminal_position: place.terminalPosition ?? null,
  };
}

function parseHistoryEvent(written: WrittenHistoryEvent): LogEvent {
  const place = {
    transactionId: written.transaction_id as TransactionId,
    userId: written.user_id as UserId,
    terminalId: (written.terminal_id ?? undefined) as TerminalId | undefined,
    userPosition: written.user_position ?? undefined,
    terminalPosition: written.terminal_position ?? undefined,
  };
  if (written.kind === 'placement') {
    return { kind: 'placement', placement: { ...place, userPosition: place.userPosition ?? 0 } };
  }
  const label = {
    ...place,
    isFraud: written.is_fraud,
    previousIsFraud: written.previous_is_fraud,
    knownAtMs: parseTimestampMs(written.known_at),
    transactionTimestampMs: parseTimestampMs(written.transaction_timestamp),
  };
  return { kind: 'label', label };
}
