/**
 * The members of our messages: for each its JSON schema, as the OpenAPI document shows it, beside the check that every
 * door applies. One table a message; types, schemas and refusals all come from it.
 */
import { ID_MAX_CHARACTERS, ID_PATTERN, isId } from './ids.ts';
import {
  EARLIEST_TIMESTAMP_MS,
  formatTimestamp,
  LATEST_TIMESTAMP_MS,
  parseTimestampMs,
} from './timestamp.ts';

export type Member = {
  readonly required: boolean;
  readonly schema: Readonly<Record<string, unknown>>;
  /** The rule as a refusal states it: "must be ...". */
  readonly rule: string;
  readonly accepts: (value: unknown) => boolean;
};

export const AMOUNT_MAX = 1_000_000_000;
export const METADATA_MAX_CHARACTERS = 16_384;

const CATEGORY_PATTERN = '^[ !#-\\[\\]-~]{1,64}$';
const CURRENCY_PATTERN = '^[A-Z]{3}$';
const categoryExpression = new RegExp(CATEGORY_PATTERN);
const currencyExpression = new RegExp(CURRENCY_PATTERN);

export const TRANSACTION_MEMBERS = {
  transaction_id: id('Unique for ever; the same id with the same body gets the stored decision again.'),
  user_id: id('The card holder. Behaviour is kept, and experiment arms are assigned, by user.'),
  amount: {
    required: true,
    rule: `must be a number from 0 to ${AMOUNT_MAX}`,
    schema: {
      type: 'number',
      minimum: 0,
      maximum: AMOUNT_MAX,
      description: 'In major units of the currency; kept to four decimals.',
      examples: [42.5],
    },
    accepts: isAmount,
  },
  merchant_category: {
    required: true,
    rule: 'must be 1 to 64 printable ASCII characters without quotes and backslashes',
    schema: { type: 'string', pattern: CATEGORY_PATTERN, examples: ['grocery'] },
    accepts: isMerchantCategory,
  },
  is_international: {
    required: true,
    rule: 'must be true or false',
    schema: { type: 'boolean', description: 'The terminal is outside of the card’s country.' },
    accepts: isBoolean,
  },
  timestamp: {
    ...timestamp('When the payment happened. Windows are counted in this time, not in that of arrival.'),
    required: true,
  },
  terminal_id: { ...id('Where the card was used. Without it terminal features are empty.'), required: false },
  currency: {
    required: false,
    rule: 'must be three capital letters (ISO 4217)',
    schema: { type: 'string', pattern: CURRENCY_PATTERN, examples: ['EUR'] },
    accepts: isCurrency,
  },
  metadata: {
    required: false,
    rule: `must be an object of at most ${METADATA_MAX_CHARACTERS} characters`,
    schema: { type: 'object', description: 'Yours; kept with the decision and given back.' },
    accepts: isPlainObject,
  },
} as const satisfies Record<string, Member>;

export const LABEL_MEMBERS = {
  transaction_id: id('The transaction that something became known about.'),
  is_fraud: {
    required: true,
    rule: 'must be true or false',
    schema: { type: 'boolean' },
    accepts: isBoolean,
  },
  known_at: {
    ...timestamp('When it became known; when left out, the time of arrival.'),
    required: false,
  },
} as const satisfies Record<string, Member>;

/** The JSON schema of a message, from its members. */
export function messageSchema(members: Readonly<Record<string, Member>>): Record<string, unknown> {
  const entries = Object.entries(members);
  return {
    type: 'object',
    additionalProperties: false,
    required: entries.filter(([, member]) => member.required).map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, member]) => [name, member.schema])),
  };
}

export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= AMOUNT_MAX; // NaN fails both
}

export function isMerchantCategory(value: unknown): value is string {
  return typeof value === 'string' && categoryExpression.test(value);
}

export function isCurrency(value: unknown): value is string {
  return typeof value === 'string' && currencyExpression.test(value);
}

function id(description: string) {
  return {
    required: true,
    rule: `must be 1 to ${ID_MAX_CHARACTERS} printable ASCII characters without spaces, quotes and backslashes`,
    schema: { type: 'string', pattern: ID_PATTERN, description },
    accepts: (value: unknown): value is string => typeof value === 'string' && isId(value),
  };
}

function timestamp(description: string) {
  const [earliest, latest] = [EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS - 1].map(formatTimestamp);
  return {
    rule: `must be an RFC 3339 timestamp with a zone, from ${earliest} to ${latest}`,
    schema: { type: 'string', format: 'date-time', description },
    accepts: (value: unknown): value is string =>
      typeof value === 'string' && isTimestampMs(parseTimestampMs(value)),
  };
}

/** True from 2000 to 2100; NaN, which is what no timestamp parses to, is not. */
export function isTimestampMs(timestampMs: number): boolean {
  return timestampMs >= EARLIEST_TIMESTAMP_MS && timestampMs < LATEST_TIMESTAMP_MS;
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
