import { ContractError, inCharacters, shownName, typeName } from './contract-error.ts';
import type { TerminalId, TransactionId, UserId } from './ids.ts';
import type { Label } from './label.ts';
import { LABEL_MEMBERS, METADATA_MAX_CHARACTERS, type Member, TRANSACTION_MEMBERS } from './members.ts';
import { parseTimestampMs } from './timestamp.ts';
import { type Transaction, UNITS_PER_MAJOR } from './transaction.ts';

/** What came through a door, as a transaction. @throws ContractError naming the first member that breaks a rule. */
export function parseTransaction(value: unknown): Transaction {
  const message = checkedMessage(value, TRANSACTION_MEMBERS);
  return {
    transactionId: message.transaction_id as TransactionId,
    userId: message.user_id as UserId,
    terminalId: message.terminal_id as TerminalId | undefined,
    amountUnits: Math.round((message.amount as number) * UNITS_PER_MAJOR) + 0, // -0, which JSON has, becomes 0
    currency: message.currency as string | undefined,
    merchantCategory: message.merchant_category as string,
    isInternational: message.is_international as boolean,
    timestampMs: parseTimestampMs(message.timestamp as string),
    metadataJson: message.metadata === undefined ? undefined : metadataJson(message.metadata),
  };
}

/** What came through a door, as a label. @throws ContractError naming the first member that breaks a rule. */
export function parseLabel(value: unknown): Label {
  const message = checkedMessage(value, LABEL_MEMBERS);
  return {
    transactionId: message.transaction_id as TransactionId,
    isFraud: message.is_fraud as boolean,
    knownAtMs: message.known_at === undefined ? undefined : parseTimestampMs(message.known_at as string),
  };
}

function checkedMessage<Name extends string>(
  value: unknown,
  members: Readonly<Record<Name, Member>>,
): Record<Name, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ContractError('message', 'must be an object', typeName(value));
  }
  const message = value as Record<string, unknown>;
  for (const name in message) {
    if (!Object.hasOwn(members, name)) throw unknownMember(name, Object.keys(members));
  }
  for (const name in members) {
    const member = members[name];
    const found = message[name];
    if (found === undefined) {
      if (member.required) throw new ContractError(name, 'must be there', 'nothing');
    } else if (!member.accepts(found)) {
      throw new ContractError(name, member.rule, describe(found));
    }
  }
  return message as Record<Name, unknown>;
}

function unknownMember(name: string, known: readonly string[]): ContractError {
  return new ContractError(shownName(name), `must be one of ${known.join(', ')}`, 'an unknown member');
}

/** The type of a refused value and, where that is the rule, its size; never the value. */
function describe(value: unknown): string {
  if (value === '') return 'an empty string';
  if (typeof value === 'string') return `a string of ${inCharacters(value.length)}`;
  if (typeof value !== 'number') return typeName(value);
  if (Number.isNaN(value)) return 'not a number';
  return Number.isFinite(value) ? 'another number' : 'an infinite number';
}

function metadataJson(metadata: unknown): string {
  const text = JSON.stringify(metadata);
  if (text.length > METADATA_MAX_CHARACTERS) {
    throw new ContractError(
      'metadata',
      TRANSACTION_MEMBERS.metadata.rule,
      `an object of ${inCharacters(text.length)}`,
    );
  }
  return text;
}
