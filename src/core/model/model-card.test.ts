import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { ModelCardError, parseModelCard } from './model-card.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const files = globSync(['models/*/model.json', 'test/fixtures/models*/*/model.json'], { cwd: root }).sort();

const CARD = {
  version: 'v1',
  description: 'A card of the tests.',
  algorithm: 'random-forest',
  features: ['amount', 'hour_of_day'],
  thresholds: { fraud: 0.5, review: 0.4, decline: 0.8 },
  usual: { amount: { median: 12.5 }, hour_of_day: { median: 0 } },
  sha256: '0123456789abcdef'.repeat(4),
};

describe('a model card', () => {
  for (const file of files) {
    test(`${file} has what the service needs of it`, () => {
      const json = JSON.parse(readFileSync(join(root, file), 'utf8'));
      const card = parseModelCard(json);
      assert.equal(card.version, basename(dirname(file)));
      for (const name of ['description', 'algorithm', 'features', 'thresholds', 'sha256'] as const)
        assert.deepEqual(card[name], json[name]);
      assert.deepEqual(Object.keys(card.usual), json.features);
      for (const name of card.features)
        assert.deepEqual(card.usual[name], { median: json.usual[name].median });
    });
  }

  test('may say more, which is for people', () => {
    const usual = { ...CARD.usual, amount: { median: 12.5, p95: 99 }, other: { median: 1 } };
    assert.deepEqual(parseModelCard({ ...CARD, usual, metrics: { auc: 1 } }), {
      ...CARD,
      calibration: undefined,
    });
  });

  test('may have a review threshold that is the decline threshold, and one feature', () => {
    const thresholds = { fraud: 0.999, review: 0.5, decline: 0.5 };
    const one = { features: ['amount'], usual: { amount: { median: -1 } } };
    assert.deepEqual(parseModelCard({ ...CARD, thresholds, ...one }), {
      ...CARD,
      ...{ thresholds, calibration: undefined },
      ...one,
    });
  });

  const thresholds = (said: object) => ({ thresholds: { ...CARD.thresholds, ...said } });
  const refused: readonly (readonly [said: object, says: string])[] = [
    [{ version: undefined }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ version: 1 }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ version: '' }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ version: 'a"b' }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ version: '../v1' }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ version: 'v'.repeat(33) }, 'version must be a text like ^[A-Za-z0-9._-]{1,32}$'],
    [{ description: undefined }, 'description must be a text'],
    [{ description: ['a'] }, 'description must be a text'],
    [{ algorithm: null }, 'algorithm must be a text'],
    [{ features: undefined }, 'features must be a list of names'],
    [{ features: 'amount' }, 'features must be a list of names'],
    [{ features: [] }, 'features must be a list of names'],
    [{ features: { 0: 'amount' } }, 'features must be a list of names'],
    [{ features: ['amount', 2] }, 'features[1] must be a text like ^[a-z][a-z0-9_]{0,127}$'],
    [{ features: ['Amount'] }, 'features[0] must be a text like ^[a-z][a-z0-9_]{0,127}$'],
    [{ features: ['__proto__'] }, 'features[0] must be a text like ^[a-z][a-z0-9_]{0,127}$'],
    [{ features: [`a${'b'.repeat(128)}`] }, 'features[0] must be a text like ^[a-z][a-z0-9_]{0,127}$'],
    [{ features: ['amount', 'hour_of_day', 'amount'] }, 'features has amount twice'],
    [{ features: ['amount', 'constructor'] }, 'usual.constructor must be an object'],
    [{ thresholds: undefined }, 'thresholds must be an object'],
    [{ thresholds: [0.5, 0.4, 0.8] }, 'thresholds must be an object'],
    [thresholds({ fraud: undefined }), 'thresholds.fraud must be a number'],
    [thresholds({ fraud: '0.5' }), 'thresholds.fraud must be a number'],
    [thresholds({ review: Number.NaN }), 'thresholds.review must be a number'],
    [thresholds({ decline: Number.POSITIVE_INFINITY }), 'thresholds.decline must be a number'],
    [thresholds({ fraud: 0 }), 'thresholds.fraud must be between 0 and 1, not 0'],
    [thresholds({ review: -0.1 }), 'thresholds.review must be between 0 and 1, not -0.1'],
    [thresholds({ decline: 1 }), 'thresholds.decline must be between 0 and 1, not 1'],
    [thresholds({ decline: 80 }), 'thresholds.decline must be between 0 and 1, not 80'],
    [thresholds({ review: 0.81 }), 'thresholds.review must not be greater than thresholds.decline'],
    [{ usual: undefined }, 'usual must be an object'],
    [{ usual: [] }, 'usual must be an object'],
    [{ usual: { amount: { median: 1 } } }, 'usual.hour_of_day must be an object'],
    [{ usual: { ...CARD.usual, amount: 1 } }, 'usual.amount must be an object'],
    [{ usual: { ...CARD.usual, amount: {} } }, 'usual.amount.median must be a number'],
    [{ usual: { ...CARD.usual, amount: { median: null } } }, 'usual.amount.median must be a number'],
    [{ sha256: undefined }, 'sha256 must be a text like ^[0-9a-f]{64}$'],
    [{ sha256: CARD.sha256.toUpperCase() }, 'sha256 must be a text like ^[0-9a-f]{64}$'],
    [{ sha256: `${CARD.sha256}0` }, 'sha256 must be a text like ^[0-9a-f]{64}$'],
  ];
  for (const [said, says] of refused) {
    test(`with ${JSON.stringify(said).slice(0, 60)}: ${says}`, () => {
      assert.throws(() => parseModelCard({ ...CARD, ...said }), isCardError(says));
    });
  }

  for (const value of [undefined, null, 'model.json', 7, [], [CARD]]) {
    test(`that is ${JSON.stringify(value)?.slice(0, 20)} is none`, () => {
      assert.throws(() => parseModelCard(value), isCardError('model.json must be an object'));
    });
  }

  test('of any JSON is taken or refused by our own error', () => {
    const member = fc.constantFrom(...Object.keys(CARD));
    const property = fc.property(fc.dictionary(member, fc.jsonValue()), (said) => {
      try {
        parseModelCard({ ...CARD, ...said });
      } catch (error) {
        assert.ok(error instanceof ModelCardError, String(error));
      }
    });
    fc.assert(property, { numRuns: 1000 });
  });
});

function isCardError(message: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof ModelCardError && error.code === 'model-card' && error.message === message;
}
