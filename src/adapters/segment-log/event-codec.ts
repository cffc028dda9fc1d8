/**
 * One event as the bytes of one frame's payload.
 *
 *     every event  version u8 | kind u8 | ...
 *     decision     flags u16 | outcome u8 | reasons u8 | degraded u8 | features u16 | fraudProbability f32
 *                  | transaction | five numbers f64 | texts | degraded stages u8 | features f32
 *     transaction  two numbers f64 | texts | metadata
 *     label        flags u16 | four numbers f64 | texts
 *     placement    flags u16 | two numbers f64 | texts
 *     control      JSON
 *
 * All numbers are little-endian. A number that the contract does not call a float32 is a float64, because
 * nothing can overflow or lose a digit there. A text is its length u8 and Latin-1; metadata and JSON are their
 * length u32 and UTF-8. Flags say which optional members follow. Any change of this layout takes the next version.
 */
import type { ControlDocument } from '../../core/decision/control-document.ts';
import type { Decision, Outcome, Stage } from '../../core/decision/decision.ts';
import type { TerminalId, TransactionId, UserId } from '../../core/transaction/ids.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { LogEvent, Placement } from '../../pipeline/event-log.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

const VERSION = 1;
const KIND_DECISION = 1;
const KIND_LABEL = 2;
const KIND_CONTROL = 3;
const KIND_PLACEMENT = 4;

const IS_INTERNATIONAL = 1 << 0;
const IS_FRAUD = 1 << 1;
const HAS_TERMINAL_ID = 1 << 2;
const HAS_TERMINAL_POSITION = 1 << 3;
const HAS_CURRENCY = 1 << 4;
const HAS_METADATA = 1 << 5;
const IS_ARM_B = 1 << 6;
const WAS_FRAUD = 1 << 7;
const IS_OUT_OF_ORDER = 1 << 8;
const HAS_USER_POSITION = 1 << 9;

/** Written as their index: only ever append to these. */
const OUTCOMES: readonly Outcome[] = ['approve', 'review', 'decline'];
const STAGES: readonly Stage[] = ['ingest', 'features', 'route', 'score', 'decide', 'publish'];

/** What their counts' widths can say; the doors keep both far below. */
const LIST_ITEMS_MAX = 0xff;
const FEATURES_MAX = 0xffff;

const UTF8_BYTES_PER_CHARACTER_MAX = 3;
/** Above the fixed members of any payload with the length bytes of its texts: a decision's are 80. */
const FIXED_BYTES_MAX = 96;

/** The payload was written by a newer version of this program, or is no event at all. */
export class UnknownEventFormatError extends Error {
  readonly code = 'unknown-event-format';
}

/** Writes the event at the writer's offset. Room for `encodedBytesMax(event)` must be there. */
export function encodeEvent(event: LogEvent, writer: ByteWriter): void {
  writer.uint8(VERSION);
  switch (event.kind) {
    case 'decision':
      encodeDecision(event.decision, writer);
      break;
    case 'label':
      encodeLabel(event.label, writer);
      break;
    case 'placement':
      encodePlacement(event.placement, writer);
      break;
    case 'control':
      encodeControl(event.control, writer);
      break;
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

/** Reads the event at the reader's offset, which is the start of a whole payload. */
export function decodeEvent(reader: ByteReader): LogEvent {
  const version = reader.uint8();
  if (version !== VERSION) {
    throw new UnknownEventFormatError(`event of format version ${version}; this program reads ${VERSION}`);
  }
  const kind = reader.uint8();
  switch (kind) {
    case KIND_DECISION:
      return { kind: 'decision', decision: decodeDecision(reader) };
    case KIND_LABEL:
      return { kind: 'label', label: decodeLabel(reader) };
    case KIND_PLACEMENT:
      return { kind: 'placement', placement: decodePlacement(reader) };
    case KIND_CONTROL:
      return { kind: 'control', control: JSON.parse(reader.utf8()) as ControlDocument };
    default:
      throw new UnknownEventFormatError(`event of unknown kind ${kind} in format version ${version}`);
  }
}

/** No encoding of the event is longer than this. */
export function encodedBytesMax(event: LogEvent): number {
  switch (event.kind) {
    case 'decision':
      return decisionBytesMax(event.decision);
    case 'label':
      return idsBytesMax(event.label);
    case 'placement':
      return idsBytesMax(event.placement);
    case 'control':
      return FIXED_BYTES_MAX + JSON.stringify(event.control).length * UTF8_BYTES_PER_CHARACTER_MAX;
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

function encodeDecision(decision: Decision, writer: ByteWriter): void {
  const { reasonCodes, degraded, features } = decision;
  writer.uint8(KIND_DECISION);
  writer.uint16(decisionFlags(decision));
  writer.uint8(codeOf(OUTCOMES, decision.outcome));
  writer.uint8(countOf(reasonCodes, LIST_ITEMS_MAX));
  writer.uint8(countOf(degraded, LIST_ITEMS_MAX));
  writer.uint16(countOf(features, FEATURES_MAX));
  writer.float32(decision.fraudProbability);
  encodeTransaction(decision.transaction, writer);
  writer.float64(decision.userPosition ?? 0);
  writer.float64(decision.terminalPosition ?? 0);
  writer.float64(decision.controlVersion);
  writer.float64(decision.decidedAtMs);
  writer.float64(decision.latencyMs);
  writer.text(decision.modelVersion);
  for (let index = 0; index < reasonCodes.length; index++) writer.text(reasonCodes[index]);
  for (let index = 0; index < degraded.length; index++) writer.uint8(codeOf(STAGES, degraded[index]));
  writer.float32s(features);
}

function encodeTransaction(transaction: Transaction, writer: ByteWriter): void {
  writer.float64(transaction.amountUnits);
  writer.float64(transaction.timestampMs);
  writer.text(transaction.transactionId);
  writer.text(transaction.userId);
  if (transaction.terminalId !== undefined) writer.text(transaction.terminalId);
  writer.text(transaction.merchantCategory);
  if (transaction.currency !== undefined) writer.text(transaction.currency);
  if (transaction.metadataJson !== undefined) writer.utf8(transaction.metadataJson);
}

function encodeLabel(label: KnownLabel, writer: ByteWriter): void {
  writer.uint8(KIND_LABEL);
  writer.uint16(labelFlags(label));
  writer.float64(label.knownAtMs);
  writer.float64(label.transactionTimestampMs);
  encodePlace(label, writer);
}

function labelFlags(label: KnownLabel): number {
  return (label.isFraud ? IS_FRAUD : 0) | (label.previousIsFraud ? WAS_FRAUD : 0) | placeFlags(label);
}

function encodePlacement(placement: Placement, writer: ByteWriter): void {
  writer.uint8(KIND_PLACEMENT);
  writer.uint16(placeFlags(placement));
  encodePlace(placement, writer);
}

/** What a label and a placement share: whom they speak of, and where in whose history they stand. */
function encodePlace(place: KnownLabel | Placement, writer: ByteWriter): void {
  writer.float64(place.userPosition ?? 0);
  writer.float64(place.terminalPosition ?? 0);
  writer.text(place.transactionId);
  writer.text(place.userId);
  if (place.terminalId !== undefined) writer.text(place.terminalId);
}

function placeFlags({ terminalId, userPosition, terminalPosition }: KnownLabel | Placement): number {
  return (
    (terminalId !== undefined ? HAS_TERMINAL_ID : 0) |
    (userPosition !== undefined ? HAS_USER_POSITION : 0) |
    (terminalPosition !== undefined ? HAS_TERMINAL_POSITION : 0)
  );
}

function encodeControl(control: ControlDocument, writer: ByteWriter): void {
  writer.uint8(KIND_CONTROL);
  writer.utf8(JSON.stringify(control));
}

function decisionFlags(decision: Decision): number {
  const { transaction, userPosition, terminalPosition, isFraud, isOutOfOrder, arm } = decision;
  return (
    (transaction.isInternational ? IS_INTERNATIONAL : 0) |
    (isFraud ? IS_FRAUD : 0) |
    (transaction.terminalId !== undefined ? HAS_TERMINAL_ID : 0) |
    (userPosition !== undefined ? HAS_USER_POSITION : 0) |
    (terminalPosition !== undefined ? HAS_TERMINAL_POSITION : 0) |
    (transaction.currency !== undefined ? HAS_CURRENCY : 0) |
    (transaction.metadataJson !== undefined ? HAS_METADATA : 0) |
    (arm === 'B' ? IS_ARM_B : 0) |
    (isOutOfOrder ? IS_OUT_OF_ORDER : 0)
  );
}

function decodeDecision(reader: ByteReader): Decision {
  const flags = reader.uint16();
  const outcome = OUTCOMES[reader.uint8()];
  const reasonCount = reader.uint8();
  const degradedCount = reader.uint8();
  const featureCount = reader.uint16();
  const fraudProbability = reader.float32();
  const transaction = decodeTransaction(reader, flags);
  const userPosition = reader.float64();
  const terminalPosition = reader.float64();
  const controlVersion = reader.float64();
  const decidedAtMs = reader.float64();
  const latencyMs = reader.float64();
  const modelVersion = reader.text();
  const reasonCodes = decodeTexts(reader, reasonCount);
  const degraded = decodeStages(reader, degradedCount);
  const features = reader.float32s(featureCount);
  return {
    transaction,
    userPosition: (flags & HAS_USER_POSITION) !== 0 ? userPosition : undefined,
    terminalPosition: (flags & HAS_TERMINAL_POSITION) !== 0 ? terminalPosition : undefined,
    isOutOfOrder: (flags & IS_OUT_OF_ORDER) !== 0,
    features,
    controlVersion,
    arm: (flags & IS_ARM_B) !== 0 ? 'B' : 'A',
    modelVersion,
    fraudProbability,
    isFraud: (flags & IS_FRAUD) !== 0,
    outcome,
    reasonCodes,
    degraded,
    decidedAtMs,
    latencyMs,
  };
}

/** Ids need no second parsing here: only parsed ones were written, and the frame's checksum held. */
function decodeTransaction(reader: ByteReader, flags: number): Transaction {
  const amountUnits = reader.float64();
  const timestampMs = reader.float64();
  const transactionId = reader.text() as TransactionId;
  const userId = reader.text() as UserId;
  const terminalId = (flags & HAS_TERMINAL_ID) !== 0 ? (reader.text() as TerminalId) : undefined;
  const merchantCategory = reader.text();
  const currency = (flags & HAS_CURRENCY) !== 0 ? reader.text() : undefined;
  const metadataJson = (flags & HAS_METADATA) !== 0 ? reader.utf8() : undefined;
  return {
    transactionId,
    userId,
    terminalId,
    amountUnits,
    currency,
    merchantCategory,
    isInternational: (flags & IS_INTERNATIONAL) !== 0,
    timestampMs,
    metadataJson,
  };
}

function decodeLabel(reader: ByteReader): KnownLabel {
  const flags = reader.uint16();
  const knownAtMs = reader.float64();
  const transactionTimestampMs = reader.float64();
  return {
    ...decodePlace(reader, flags),
    isFraud: (flags & IS_FRAUD) !== 0,
    previousIsFraud: (flags & WAS_FRAUD) !== 0,
    knownAtMs,
    transactionTimestampMs,
  };
}

function decodePlacement(reader: ByteReader): Placement {
  const { userPosition, ...place } = decodePlace(reader, reader.uint16());
  return { ...place, userPosition: userPosition ?? 0 };
}

function decodePlace(reader: ByteReader, flags: number) {
  const userPosition = reader.float64();
  const terminalPosition = reader.float64();
  const transactionId = reader.text() as TransactionId;
  const userId = reader.text() as UserId;
  const terminalId = (flags & HAS_TERMINAL_ID) !== 0 ? (reader.text() as TerminalId) : undefined;
  return {
    transactionId,
    userId,
    terminalId,
    userPosition: (flags & HAS_USER_POSITION) !== 0 ? userPosition : undefined,
    terminalPosition: (flags & HAS_TERMINAL_POSITION) !== 0 ? terminalPosition : undefined,
  };
}

function decodeTexts(reader: ByteReader, count: number): string[] {
  const texts: string[] = [];
  for (let index = 0; index < count; index++) texts.push(reader.text());
  return texts;
}

function decodeStages(reader: ByteReader, count: number): Stage[] {
  const stages: Stage[] = [];
  for (let index = 0; index < count; index++) stages.push(STAGES[reader.uint8()]);
  return stages;
}

function decisionBytesMax({ transaction, modelVersion, reasonCodes, degraded, features }: Decision): number {
  let bytes = FIXED_BYTES_MAX + modelVersion.length + degraded.length + 4 * features.length;
  for (let index = 0; index < reasonCodes.length; index++) bytes += 1 + reasonCodes[index].length;
  bytes += transaction.transactionId.length + transaction.userId.length + transaction.merchantCategory.length;
  if (transaction.terminalId !== undefined) bytes += transaction.terminalId.length;
  if (transaction.currency !== undefined) bytes += transaction.currency.length;
  if (transaction.metadataJson !== undefined) {
    bytes += transaction.metadataJson.length * UTF8_BYTES_PER_CHARACTER_MAX;
  }
  return bytes;
}

function idsBytesMax({ transactionId, userId, terminalId }: KnownLabel | Placement): number {
  return FIXED_BYTES_MAX + transactionId.length + userId.length + (terminalId?.length ?? 0);
}

function codeOf<Value>(values: readonly Value[], value: Value): number {
  const code = values.indexOf(value);
  if (code < 0) throw new RangeError(`no code for ${value}`);
  return code;
}

function countOf(list: { readonly length: number }, max: number): number {
  if (list.length > max) throw new RangeError(`list of ${list.length} items; at most ${max} can be written`);
  return list.length;
}
