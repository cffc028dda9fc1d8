import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { murmur3 } from '../transaction/hash.ts';
import type { UserId } from '../transaction/ids.ts';
import { assignArm, parseSplit, SplitError } from './assignment.ts';

const USERS = 200_000;
const users = Array.from({ length: USERS }, (_, index) => `u-${index}` as UserId);
const salt = fc.string({ unit: 'grapheme-ascii', maxLength: 40 });
const userId = fc
  .string({ unit: fc.constantFrom(...'abcXYZ0189-_/!~'), minLength: 1, maxLength: 128 })
  .map((text) => text as UserId);
const percent = fc.integer({ min: 0, max: 100_000 }).map((thousandths) => thousandths / 1000);

describe('published vectors', () => {
  const document = readFileSync(new URL('../../../docs/assignment.md', import.meta.url), 'utf8');
  const row = /^\| `(\S+)` \| `(\S+)` \| `([0-9a-f]{8})` \| ([0-9.]+) \| ([AB]) \| ([AB]) \|$/gm;
  const vectors = [...document.matchAll(row)].map(([, ...cells]) => cells);

  test('are in docs/assignment.md, every row of the table', () => {
    const rows = document.split('\n').filter((line) => line.startsWith('|'));
    assert.equal(vectors.length, rows.length - 2, 'all but the heading and the line below it');
    assert.ok(vectors.length >= 10);
  });

  for (const [ofSalt, user, hash, share, armOf90, armOf50] of vectors) {
    test(`${ofSalt}, ${user.slice(0, 20)}: ${hash}, ${armOf90} and ${armOf50}`, () => {
      const found = murmur3(`${ofSalt}:${user}`, 0);
      assert.equal(found.toString(16).padStart(8, '0'), hash);
      assert.equal(((found / 2 ** 32) * 100).toFixed(6), share);
      assert.equal(assignArm(ofSalt, user as UserId, 90), armOf90);
      assert.equal(assignArm(ofSalt, user as UserId, 50), armOf50);
    });
  }
});

describe('users', () => {
  for (const [ofSalt, percentA] of [
    ['fraud-detection', 90],
    ['fraud-detection', 50],
    ['spring-2026', 90],
    ['spring-2026', 99.9],
    ['', 33.333],
  ] as const) {
    test(`are split ${percentA} to ${(100 - percentA).toFixed(3)} by the salt "${ofSalt}"`, () => {
      const inA = users.filter((user) => assignArm(ofSalt, user, percentA) === 'A').length;
      const share = percentA / 100;
      const deviation = Math.sqrt(share * (1 - share) * USERS);
      assert.ok(Math.abs(inA - share * USERS) < 4 * deviation, `${inA} of ${USERS}`);
    });
  }

  test('never flip, whoever else was assigned in between', () => {
    const first = users.map((user) => assignArm('fraud-detection', user, 90));
    for (const [index, user] of [...users.entries()].reverse()) {
      assignArm('another', user, 50);
      assert.equal(assignArm('fraud-detection', user, 90), first[index], user);
    }
  });

  test('only ever go to the arm that grows', () => {
    const property = fc.property(salt, userId, percent, percent, (ofSalt, user, one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      if (assignArm(ofSalt, user, less) === 'A') assert.equal(assignArm(ofSalt, user, more), 'A');
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('are in B at exactly their share, and in A of the least percent above it', () => {
    const property = fc.property(salt, userId, (ofSalt, user) => {
      const share = (murmur3(`${ofSalt}:${user}`, 0) / 2 ** 32) * 100;
      assert.equal(assignArm(ofSalt, user, share), 'B');
      assert.equal(assignArm(ofSalt, user, share * (1 + 2 ** -52)), 'A');
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('are all in B of 0:100 and all in A of 100:0', () => {
    const property = fc.property(salt, userId, (ofSalt, user) => {
      assert.equal(assignArm(ofSalt, user, 0), 'B');
      assert.equal(assignArm(ofSalt, user, 100), 'A');
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('are dealt out anew by another salt: arms of two experiments are independent', () => {
    const inB = users.filter((user) => assignArm('first', user, 50) === 'B');
    const again = inB.filter((user) => assignArm('second', user, 50) === 'B').length;
    assert.ok(Math.abs(again - inB.length / 2) < 4 * Math.sqrt(inB.length / 4), `${again} of ${inB.length}`);
  });
});

describe('a split', () => {
  for (const [text, percentA] of [
    ['90:10', 90],
    ['100:0', 100],
    ['0:100', 0],
    ['000:100', 0],
    ['50.5:49.5', 50.5],
    ['99.9:0.1', 99.9],
    ['33.333:66.667', 33.333],
    ['0.001:99.999', 0.001],
  ] as const) {
    test(`${text} has ${percentA} percent in arm A`, () => assert.equal(parseSplit(text), percentA));
  }

  test('of any thousandths that add up is taken', () => {
    const property = fc.property(percent, (percentA) => {
      const text = `${percentA}:${Number((100 - percentA).toFixed(3))}`;
      assert.equal(parseSplit(text), percentA, text);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  const malformed = [
    '',
    '90',
    '90:',
    ':10',
    '90/10',
    '90:10:0',
    ' 90:10',
    '90:10\n',
    '-10:110',
    '+90:10',
    '9e1:10',
    '90.:10',
    '.5:99.5',
    '90,5:9,5',
    '33.3333:66.6667',
    '0x5a:10',
    'NaN:NaN',
    '0090:10',
    '９０:10',
  ];
  for (const text of malformed) {
    test(`${JSON.stringify(text)} is none`, () =>
      assert.throws(() => parseSplit(text), isSplitError(`"${text}" is not a split such as 90:10`)));
  }

  for (const [text, sum] of [
    ['90:20', 110],
    ['0:0', 0],
    ['1:98', 99],
    ['999:999', 1998],
    ['99.999:0.002', 100.001],
  ] as const) {
    test(`${text} is refused for its sum`, () =>
      assert.throws(() => parseSplit(text), isSplitError(`the split ${text} adds up to ${sum}, not to 100`)));
  }
});

function isSplitError(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SplitError && error.code === 'bad-split');
    assert.equal(error.message, message);
    return true;
  };
}
