import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { transactionJson } from '../transaction/transaction.ts';
import { answerJson } from './answer.ts';
import { arbitraryDecision } from './arbitrary-decision.ts';
import type { ControlDocument } from './control-document.ts';
import { decisionReportJson } from './decision-report.ts';
import type { Reason } from './reasons.ts';

const MEMBERS = [
  ...['transaction_id', 'is_fraud', 'fraud_probability', 'model_version', 'latency_ms', 'outcome'],
  ...['reason_codes', 'degraded', 'decided_at', 'transaction', 'arm', 'control_version', 'is_out_of_order'],
  ...['user_position', 'terminal_position', 'features', 'reasons', 'label'],
];
const KNOWN_AT_MS = Date.UTC(2024, 5, 19, 12);

describe('a decision’s report', () => {
  test('begins as the answer did and says in order all that it was made from', () => {
    const property = fc.property(arbitraryDecision, ({ decision, names }) => {
      const json = decisionReportJson(decision, controlOf(names), [], undefined);
      assert.ok(json.startsWith(answerJson(decision).slice(0, -1)));
      const report = JSON.parse(json);
      assert.deepEqual(Object.keys(report), MEMBERS);
      assert.deepEqual(report.transaction, JSON.parse(transactionJson(decision.transaction)));
      assert.deepEqual(
        [report.arm, report.control_version, report.is_out_of_order],
        [decision.arm, decision.controlVersion, decision.isOutOfOrder],
      );
      assert.equal(report.user_position, decision.userPosition ?? null);
      assert.equal(report.terminal_position, decision.terminalPosition ?? null);
      assert.deepEqual([report.reasons, report.label], [[], null]);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('has each feature by its name, in order and to the bit, null where it has no value', () => {
    const property = fc.property(arbitraryDecision, ({ decision, names }) => {
      const { features } = JSON.parse(decisionReportJson(decision, controlOf(names), [], undefined));
      assert.deepEqual(Object.keys(features), names);
      names.forEach((name, index) => {
        const value = decision.features[index];
        assert.ok(
          Object.is(features[name], Number.isNaN(value) ? null : value),
          `${name}: ${features[name]}`,
        );
      });
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('has the reasons as they are, a value that is missing as null', () => {
    const [{ decision, names }] = fc.sample(arbitraryDecision, { numRuns: 1, seed: 7 });
    const reasons: Reason[] = [
      { code: 'amount_high', feature: 'amount', value: 412, usual: 53.2, contribution: 0.25, text: 'one' },
      {
        code: 'avg_amount_missing',
        feature: 'avg_amount',
        value: Number.NaN,
        usual: 48.5,
        contribution: 0.125,
        text: 'other',
      },
    ];
    const report = JSON.parse(decisionReportJson(decision, controlOf(names), reasons, undefined));
    assert.deepEqual(report.reasons, [reasons[0], { ...reasons[1], value: null }]);
  });

  for (const isFraud of [true, false]) {
    test(`says that it is known to be ${isFraud ? 'fraud' : 'legitimate'}, and since when`, () => {
      const [{ decision, names }] = fc.sample(arbitraryDecision, { numRuns: 1, seed: 7 });
      const label = { isFraud, knownAtMs: KNOWN_AT_MS };
      const report = JSON.parse(decisionReportJson(decision, controlOf(names), [], label));
      assert.deepEqual(report.label, { is_fraud: isFraud, known_at: '2024-06-19T12:00:00.000Z' });
    });
  }
});

function controlOf(features: readonly string[]): ControlDocument {
  const thresholds = { fraud: 0.5, review: 0.4, decline: 0.8 };
  const arm = { modelVersion: 'v1', modelSha256: '0'.repeat(64), percent: 50, thresholds };
  return { version: 1, salt: 's', arms: { A: arm, B: arm }, features, author: 'tests', reason: 'tests' };
}
