import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ContractError } from './contract-error.ts';
import { MAX_JSON_DEPTH, parseStrictJson } from './strict-json.ts';

const nested = (depth: number, [open, close]: readonly [string, string], inner = '') =>
  open.repeat(depth) + inner + close.repeat(depth);

describe('strict JSON', () => {
  test('is what the engine reads, except for depth', () => {
    const shallow = fc.oneof(
      fc.json({ stringUnit: 'binary' }),
      fc.json({ stringUnit: fc.constantFrom('"', '\\', ':', '{', '}', '[', ']', ',', 'a', ' ') }),
    );
    const json = fc
      .tuple(shallow, fc.oneof(fc.constant(0), fc.nat(20)), fc.boolean())
      .map(([text, depth, isArray]) => nested(depth, isArray ? ['[', ']'] : ['{"a":', '}'], text));
    const property = fc.property(json, (text) => {
      const value = JSON.parse(text);
      if (depthOf(value) <= MAX_JSON_DEPTH) assert.deepStrictEqual(parseStrictJson(text), value);
      else assert.throws(() => parseStrictJson(text), /nest at most 16 levels/);
    });
    fc.assert(property, { numRuns: 600 });
  });

  test('is the same however it is laid out', () => {
    const property = fc.property(
      fc.jsonValue({ maxDepth: 6 }),
      fc.constantFrom(1, 4, ' \t\r\n'),
      (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        if (depthOf(value) <= MAX_JSON_DEPTH) assert.deepStrictEqual(parseStrictJson(text), JSON.parse(text));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('refuses what the engine refuses, and nothing but by our own error', () => {
    const text = fc.string({ unit: fc.constantFrom(...'{}[]":,\\u0061 -+.eE1tfn\n'), maxLength: 30 });
    const property = fc.property(text, (broken) => {
      const expected = engine(broken);
      try {
        assert.deepStrictEqual({ value: parseStrictJson(broken) }, expected);
      } catch (error) {
        if (!(error instanceof ContractError)) throw error;
        const isRepeated = error.rule === 'must be there only once in its object';
        assert.ok(expected === undefined || isRepeated, error.message);
      }
    });
    fc.assert(property, { numRuns: 3000 });
  });

  test('names a repeated member wherever and however it is written', () => {
    const spot = fc.constantFrom(
      (object: string) => object,
      (object: string) => `{"metadata":${object}}`,
      (object: string) => `[1,{"a":[${object}],"b":{}}]`,
      (object: string) => `{"amount":{},"x":[{},${object}]}`,
    );
    // No backslash: once V8 has seen a key `\` after some other key, it takes any escaped key of one character in that
    // place for `\` (Node 24.21), and what is named twice then has two names.
    const name = fc.string({
      unit: fc.constantFrom(...'amount_:{}[]",é\u2028'),
      minLength: 1,
      maxLength: 8,
    });
    const escaped = (text: string) =>
      `"${[...text].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`;
    const property = fc.property(
      spot,
      name,
      fc.boolean(),
      fc.boolean(),
      (within, member, isEscaped, isApart) => {
        const second = isEscaped ? escaped(member) : JSON.stringify(member);
        const between = isApart ? ',"other":{"amount":[1]}' : '';
        const text = within(`{${JSON.stringify(member)} : 1${between},${second}\n:${' '.repeat(80)}2}`);
        const shown = /^[A-Za-z_][\w.-]*$/.test(member) ? member : 'a member';
        assert.throws(() => parseStrictJson(text), {
          message: `${shown} must be there only once in its object, found it more than once`,
        });
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('takes one name in two objects for what it is', () => {
    const text = '{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"\\"a\\":1,{"}';
    assert.deepStrictEqual(parseStrictJson(text), JSON.parse(text));
  });

  test('gives members named as parts of the language are', () => {
    const text =
      '{"__proto__":{"amount":1},"constructor":2,"hasOwnProperty":3,"toString":{"__proto__":null}}';
    const value = parseStrictJson(text) as object;
    assert.deepStrictEqual(Object.keys(value), ['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(({} as { amount?: number }).amount, undefined);
    assert.throws(
      () => parseStrictJson('{"__proto__":1,"__proto__":2}'),
      /^ContractError: __proto__ must be there/,
    );
  });

  test(`goes ${MAX_JSON_DEPTH} levels deep and no deeper, and does not recurse to find out`, () => {
    for (const pair of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deepest = nested(MAX_JSON_DEPTH, pair, '1');
      assert.deepStrictEqual(parseStrictJson(deepest), JSON.parse(deepest));
      for (const depth of [MAX_JSON_DEPTH + 1, 30_000]) {
        assert.throws(() => parseStrictJson(nested(depth, pair, '1')), {
          message: 'body must nest at most 16 levels deep, found more levels',
        });
      }
    }
    assert.equal(parseStrictJson(JSON.stringify('['.repeat(100))), '['.repeat(100));
  });

  const refusals: readonly (readonly [text: string, found: string])[] = [
    ['', 'nothing'],
    [' \n', 'nothing'],
    ['\ufeff{}', 'a byte order mark before it'],
    ['{"a":', 'an unexpected end'],
    ['{"a":"x', 'an unexpected end'],
    ['"\\', 'an unexpected end'],
    ['4111-1111-1111-1111', 'an error after 4 characters'],
    ['pan=4111111111111111', 'other text'],
    ['{"a":NaN}', 'other text'],
    ['{"a":Infinity}', 'other text'],
    ['{"a":1,}', 'an error after 7 characters'],
    ["{'a':1}", 'an error after 1 character'],
    ['{"a":01}', 'an error after 6 characters'],
    ['{"a":"\u0001"}', 'an error after 6 characters'],
    ['{"a":1}{"a":1}', 'an error after 7 characters'],
    ['}{', 'other text'],
    [']', 'other text'],
  ];
  for (const [text, found] of refusals) {
    test(`${JSON.stringify(text)}: found ${found}`, () => {
      assert.throws(() => parseStrictJson(text), {
        code: 'contract-violation',
        message: `body must be valid JSON, found ${found}`,
      });
    });
  }
});

function engine(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
