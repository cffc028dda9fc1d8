import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ContractError } from './contract-error.ts';
import { isId } from './ids.ts';
import { AMOUNT_MAX, LABEL_MEMBERS, messageSchema, TRANSACTION_MEMBERS } from './members.ts';
import { parseLabel, parseTransaction } from './parse-transaction.ts';
import { parseStrictJson } from './strict-json.ts';
import { EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS } from './timestamp.ts';
import { isSameTransaction, transactionJson } from './transaction.ts';

const PAYMENT = {
  transaction_id: 't1',
  user_id: 'u1',
  amount: 12.34,
  merchant_category: 'grocery',
  is_international: false,
  timestamp: '2024-06-12T12:00:00Z',
};
const LABEL = { transaction_id: 't1', is_fraud: true };

const ID = 'must be 1 to 128 printable ASCII characters without spaces, quotes and backslashes';
const AMOUNT = 'amount must be a number from 0 to 1000000000';
const CATEGORY = 'must be 1 to 64 printable ASCII characters without quotes and backslashes';
const TIME =
  'must be an RFC 3339 timestamp with a zone, from 2000-01-01T00:00:00.000Z to 2099-12-31T23:59:59.999Z';
const MEMBERS =
  'transaction_id, user_id, amount, merchant_category, is_international, timestamp, terminal_id, currency, metadata';

describe('a payment', () => {
  test('is read member by member', () => {
    const terminal = { terminal_id: 'x', currency: 'EUR', metadata: { order: [1, { a: null }] } };
    assert.deepStrictEqual(parseTransaction({ ...PAYMENT, ...terminal }), {
      transactionId: 't1',
      userId: 'u1',
      terminalId: 'x',
      amountUnits: 123_400,
      currency: 'EUR',
      merchantCategory: 'grocery',
      isInternational: false,
      timestampMs: Date.UTC(2024, 5, 12, 12),
      metadataJson: '{"order":[1,{"a":null}]}',
    });
  });

  for (const [amount, units] of [
    ['0', 0],
    ['-0', 0],
    ['1e-400', 0],
    ['0.00004', 0],
    ['0.00005', 1],
    ['0.0001', 1],
    ['1.005', 10_050],
    ['4.35', 43_500],
    ['1e9', 1e13],
    ['999999999.9999', 9_999_999_999_999],
  ] as const) {
    test(`of ${amount} is of ${units} units`, () => {
      const text = JSON.stringify(PAYMENT).replace('12.34', amount);
      const { amountUnits } = parseTransaction(parseStrictJson(text));
      assert.ok(Object.is(amountUnits, units), `${amountUnits}`);
    });
  }

  // Each as a JSON text, because that is how it comes; the first member that breaks a rule is the one that is named.
  const refusals: readonly (readonly [said: string, message: string])[] = [
    ['"amount":"12.34"', `${AMOUNT}, found a string of 5 characters`],
    ['"amount":null', `${AMOUNT}, found null`],
    ['"amount":true', `${AMOUNT}, found a boolean`],
    ['"amount":[1]', `${AMOUNT}, found an array`],
    ['"amount":{}', `${AMOUNT}, found an object`],
    ['"amount":-0.01', `${AMOUNT}, found another number`],
    ['"amount":1000000000.01', `${AMOUNT}, found another number`],
    ['"amount":1e400', `${AMOUNT}, found an infinite number`],
    ['"amount":-1e400', `${AMOUNT}, found an infinite number`],
    ['"amount":NaN', 'body must be valid JSON, found other text'],
    ['"amount":12.34', 'amount must be there only once in its object, found it more than once'],
    ['"\\u0061mount":1', 'amount must be there only once in its object, found it more than once'],
    ['"metadata":{"a":{"b":1,"b":2}}', 'b must be there only once in its object, found it more than once'],
    [
      `"metadata":${'{"a":'.repeat(16)}1${'}'.repeat(16)}`,
      'body must nest at most 16 levels deep, found more levels',
    ],
    ['"transaction_id":""', `transaction_id ${ID}, found an empty string`],
    [`"transaction_id":"${'i'.repeat(129)}"`, `transaction_id ${ID}, found a string of 129 characters`],
    ['"user_id":"a b"', `user_id ${ID}, found a string of 3 characters`],
    ['"user_id":"a\\u0000"', `user_id ${ID}, found a string of 2 characters`],
    ['"user_id":"a\\u007f"', `user_id ${ID}, found a string of 2 characters`],
    ['"user_id":"\\ud800"', `user_id ${ID}, found a string of 1 character`],
    ['"user_id":"é"', `user_id ${ID}, found a string of 1 character`],
    ['"user_id":"a\\"b"', `user_id ${ID}, found a string of 3 characters`],
    ['"user_id":"a\\\\b"', `user_id ${ID}, found a string of 3 characters`],
    ['"user_id":7', `user_id ${ID}, found another number`],
    ['"terminal_id":null', `terminal_id ${ID}, found null`],
    ['"merchant_category":""', `merchant_category ${CATEGORY}, found an empty string`],
    ['"merchant_category":"a\\nb"', `merchant_category ${CATEGORY}, found a string of 3 characters`],
    ['"merchant_category":"grocery\\n"', `merchant_category ${CATEGORY}, found a string of 8 characters`],
    [
      `"merchant_category":"${'m'.repeat(65)}"`,
      `merchant_category ${CATEGORY}, found a string of 65 characters`,
    ],
    ['"is_international":"false"', 'is_international must be true or false, found a string of 5 characters'],
    ['"is_international":0', 'is_international must be true or false, found another number'],
    ['"timestamp":"2024-06-12T12:00:00"', `timestamp ${TIME}, found a string of 19 characters`],
    ['"timestamp":"2024-02-30T12:00:00Z"', `timestamp ${TIME}, found a string of 20 characters`],
    ['"timestamp":"2016-12-31T23:59:60Z"', `timestamp ${TIME}, found a string of 20 characters`],
    ['"timestamp":"1999-12-31T23:59:59.999Z"', `timestamp ${TIME}, found a string of 24 characters`],
    ['"timestamp":"2100-01-01T00:00:00Z"', `timestamp ${TIME}, found a string of 20 characters`],
    ['"timestamp":"9999-12-31T00:00:00Z"', `timestamp ${TIME}, found a string of 20 characters`],
    ['"timestamp":"0099-12-31T23:59:59-01:00"', `timestamp ${TIME}, found a string of 25 characters`],
    ['"timestamp":1718193600000', `timestamp ${TIME}, found another number`],
    ['"currency":"eur"', 'currency must be three capital letters (ISO 4217), found a string of 3 characters'],
    [
      '"currency":"EURO"',
      'currency must be three capital letters (ISO 4217), found a string of 4 characters',
    ],
    [
      '"currency":"EUR\\n"',
      'currency must be three capital letters (ISO 4217), found a string of 4 characters',
    ],
    ['"metadata":[]', 'metadata must be an object of at most 16384 characters, found an array'],
    [
      '"metadata":"{}"',
      'metadata must be an object of at most 16384 characters, found a string of 2 characters',
    ],
    [
      `"metadata":{"a":"${'m'.repeat(16_377)}"}`,
      'metadata must be an object of at most 16384 characters, found an object of 16385 characters',
    ],
    ['"colour":1', `colour must be one of ${MEMBERS}, found an unknown member`],
    ['"Amount":1', `Amount must be one of ${MEMBERS}, found an unknown member`],
    ['"__proto__":{"amount":1}', `__proto__ must be one of ${MEMBERS}, found an unknown member`],
    ['"constructor":1', `constructor must be one of ${MEMBERS}, found an unknown member`],
    ['"4111111111111111":1', `a member must be one of ${MEMBERS}, found an unknown member`],
    ['"":1', `a member must be one of ${MEMBERS}, found an unknown member`],
    ['"<script>":1', `a member must be one of ${MEMBERS}, found an unknown member`],
  ];
  for (const [said, message] of refusals) {
    test(`with ${said.slice(0, 60)} is refused`, () => {
      assert.throws(() => parseTransaction(parseStrictJson(bodyWith(said))), {
        name: 'ContractError',
        code: 'contract-violation',
        message,
      });
    });
  }

  for (const name of [
    'transaction_id',
    'user_id',
    'amount',
    'merchant_category',
    'is_international',
    'timestamp',
  ]) {
    test(`without ${name} is refused`, () => {
      const { [name as keyof typeof PAYMENT]: _, ...rest } = PAYMENT;
      assert.throws(() => parseTransaction(rest), { message: `${name} must be there, found nothing` });
    });
  }

  for (const [value, found] of [
    [[PAYMENT], 'an array'],
    [null, 'null'],
    ['{}', 'a string'],
    [1, 'a number'],
    [undefined, 'nothing'],
  ]) {
    test(`that is ${found} is refused`, () => {
      assert.throws(() => parseTransaction(value), { message: `message must be an object, found ${found}` });
    });
  }

  test('that is not a number is refused, should a caller within the process make one', () => {
    const message = `${AMOUNT}, found not a number`;
    assert.throws(() => parseTransaction({ ...PAYMENT, amount: Number.NaN }), { message });
  });

  test('written and read again is the same, in the same text', () => {
    const property = fc.property(body(), (said) => {
      const payment = parseTransaction(said);
      const text = transactionJson(payment);
      const again = parseTransaction(parseStrictJson(text));
      assert.deepStrictEqual(again, payment);
      assert.ok(isSameTransaction(again, payment));
      assert.equal(transactionJson(again), text);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('is the same as another exactly if their texts are', () => {
    const property = fc.property(
      body(),
      fc.constantFrom(...Object.keys(TRANSACTION_MEMBERS)),
      body(),
      (one, name, other) => {
        const [first, second] = [one, { ...one, [name]: other[name] }].map((said) => {
          if (said[name] === undefined) delete said[name];
          return parseTransaction(said);
        });
        assert.equal(isSameTransaction(first, second), transactionJson(first) === transactionJson(second));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });
});

describe('a refusal', () => {
  test('never contains the refused value', () => {
    const secret = fc
      .string({ unit: fc.constantFrom(...'0123456789QXZ'), minLength: 6, maxLength: 12 })
      .filter((text) => !`${TIME}${AMOUNT}`.includes(text));
    const shape = fc.constantFrom<(text: string) => unknown>(
      (text) => ` ${text} `,
      (text) => `"${text}`,
      (text) => -Number(`1${text.replace(/\D/g, '7')}`),
      (text) => [text],
      (text) => ({ [text]: text }),
    );
    const names = fc.constantFrom(...Object.keys(TRANSACTION_MEMBERS), 'colour');
    const property = fc.property(names, secret, shape, (name, text, made) => {
      const value = made(text);
      if (name === 'metadata' && typeof value === 'object' && !Array.isArray(value)) return;
      if (name === 'merchant_category' && value === ` ${text} `) return;
      const digits = text.replace(/\D/g, '7');
      assert.throws(
        () => parseTransaction({ ...PAYMENT, [name]: value }),
        (error) =>
          error instanceof ContractError && ![text, digits].some((part) => error.message.includes(part)),
      );
      assert.throws(
        () => parseStrictJson(`{"${name}":${text}x}`),
        (error) => error instanceof ContractError && !error.message.includes(text),
      );
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('is the only error there is, whatever the value', () => {
    const property = fc.property(fc.anything(), fc.constantFrom(...Object.keys(PAYMENT)), (value, name) => {
      for (const said of [value, { ...PAYMENT, [name]: value }]) {
        try {
          parseTransaction(said);
        } catch (error) {
          assert.ok(error instanceof ContractError, String(error));
        }
      }
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('a label', () => {
  test('is read, with and without the time it became known', () => {
    assert.deepStrictEqual(parseLabel(LABEL), { transactionId: 't1', isFraud: true, knownAtMs: undefined });
    const knownAtMs = Date.UTC(2024, 5, 19);
    const known = { transactionId: 't1', isFraud: false, knownAtMs };
    assert.deepStrictEqual(
      parseLabel({ ...LABEL, is_fraud: false, known_at: '2024-06-19T00:00:00Z' }),
      known,
    );
  });

  for (const [said, message] of [
    [{ is_fraud: true }, 'transaction_id must be there, found nothing'],
    [{ transaction_id: 't1' }, 'is_fraud must be there, found nothing'],
    [{ ...LABEL, is_fraud: 1 }, 'is_fraud must be true or false, found another number'],
    [{ ...LABEL, known_at: 'yesterday' }, `known_at ${TIME}, found a string of 9 characters`],
    [{ ...LABEL, known_at: null }, `known_at ${TIME}, found null`],
    [
      { ...LABEL, amount: 1 },
      'amount must be one of transaction_id, is_fraud, known_at, found an unknown member',
    ],
  ] as const) {
    test(`refused: ${message}`, () => assert.throws(() => parseLabel(said), { message }));
  }
});

test('the schema says what the parser does of ids and categories', () => {
  const categories = TRANSACTION_MEMBERS.merchant_category;
  const property = fc.property(fc.string({ unit: 'binary-ascii', maxLength: 130 }), (text) => {
    assert.equal(isId(text), new RegExp(TRANSACTION_MEMBERS.user_id.schema.pattern).test(text));
    assert.equal(categories.accepts(text), new RegExp(categories.schema.pattern).test(text));
  });
  fc.assert(property, { numRuns: 1000 });
  for (let code = 0; code < 0x200; code++) {
    const text = String.fromCharCode(code);
    assert.equal(isId(text), new RegExp(TRANSACTION_MEMBERS.user_id.schema.pattern).test(text), `${code}`);
  }
});

test('the schemas name what is required and allow nothing else', () => {
  const { required, additionalProperties, properties } = messageSchema(TRANSACTION_MEMBERS);
  assert.deepEqual(required, Object.keys(PAYMENT));
  assert.equal(additionalProperties, false);
  assert.equal(Object.keys(properties as object).join(', '), MEMBERS);
  assert.deepEqual(messageSchema(LABEL_MEMBERS).required, Object.keys(LABEL));
});

/** The payment's text with a member more, or another value for one that it has if that makes the point. */
function bodyWith(said: string): string {
  const name = /^"(\w*)"/.exec(said)?.[1] ?? '';
  const isRepetition = said === '"amount":12.34';
  const rest = Object.entries(PAYMENT).filter(([member]) => isRepetition || member !== name);
  const members = rest.map(([member, value]) => `${JSON.stringify(member)}:${JSON.stringify(value)}`);
  return `{${[...members, said].join(',')}}`;
}

function body(): fc.Arbitrary<Record<string, unknown>> {
  const printable = Array.from({ length: 0x5f }, (_, index) => String.fromCharCode(0x20 + index));
  const categoryUnit = fc.constantFrom(...printable.filter((it) => it !== '"' && it !== '\\'));
  const id = fc.string({ unit: categoryUnit.filter((it) => it !== ' '), minLength: 1, maxLength: 128 });
  const timestamp = fc
    .integer({ min: EARLIEST_TIMESTAMP_MS, max: LATEST_TIMESTAMP_MS - 1 })
    .map((timestampMs) => new Date(timestampMs).toISOString());
  return fc.record(
    {
      transaction_id: id,
      user_id: id,
      amount: fc.oneof(
        fc.double({ min: 0, max: AMOUNT_MAX, noNaN: true }),
        fc.integer({ min: 0, max: 1e13 }).map((units) => units / 10_000),
        fc.constant(-0),
      ),
      merchant_category: fc.string({ unit: categoryUnit, minLength: 1, maxLength: 64 }),
      is_international: fc.boolean(),
      timestamp,
      terminal_id: id,
      currency: fc.string({ unit: fc.constantFrom(...'ABCXYZ'), minLength: 3, maxLength: 3 }),
      metadata: fc.dictionary(
        fc.string({ unit: 'binary' }),
        fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }),
      ),
    },
    { requiredKeys: Object.keys(PAYMENT) as (keyof typeof PAYMENT)[] },
  ) as fc.Arbitrary<Record<string, unknown>>;
}
