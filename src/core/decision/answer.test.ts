import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { paymentOf } from '../features/payment-of.ts';
import { answerJson } from './answer.ts';
import { arbitraryDecision } from './arbitrary-decision.ts';
import type { Decision } from './decision.ts';

const DECISION: Decision = {
  transaction: paymentOf({ transactionId: 't-1' }),
  userPosition: 0,
  terminalPosition: undefined,
  isOutOfOrder: false,
  features: Float32Array.of(10),
  controlVersion: 1,
  arm: 'B',
  modelVersion: 'v2',
  fraudProbability: Math.fround(0.9),
  isFraud: true,
  outcome: 'decline',
  reasonCodes: ['amount_high', 'is_night_high'],
  degraded: ['features', 'score'],
  decidedAtMs: Date.UTC(2024, 5, 12, 12, 0, 0, 7),
  latencyMs: 1.25,
};

describe('an answer', () => {
  test('is these very bytes', () => {
    assert.equal(
      answerJson(DECISION),
      '{"transaction_id":"t-1","is_fraud":true,"fraud_probability":0.8999999761581421,"model_version":"v2",' +
        '"latency_ms":1.25,"outcome":"decline","reason_codes":["amount_high","is_night_high"],' +
        '"degraded":["features","score"],"decided_at":"2024-06-12T12:00:00.007Z"}',
    );
    assert.equal(
      answerJson({
        ...DECISION,
        isFraud: false,
        outcome: 'approve',
        fraudProbability: 0,
        reasonCodes: [],
        degraded: [],
      }),
      '{"transaction_id":"t-1","is_fraud":false,"fraud_probability":0,"model_version":"v2",' +
        '"latency_ms":1.25,"outcome":"approve","reason_codes":[],"degraded":[],"decided_at":"2024-06-12T12:00:00.007Z"}',
    );
  });

  test('is what the engine writes of the same members, without an escape', () => {
    const property = fc.property(arbitraryDecision, ({ decision }) => {
      const json = answerJson(decision);
      const expected = {
        transaction_id: decision.transaction.transactionId,
        is_fraud: decision.isFraud,
        fraud_probability: decision.fraudProbability,
        model_version: decision.modelVersion,
        latency_ms: decision.latencyMs,
        outcome: decision.outcome,
        reason_codes: decision.reasonCodes,
        degraded: decision.degraded,
        decided_at: new Date(decision.decidedAtMs).toISOString(),
      };
      assert.equal(json, JSON.stringify(expected));
      assert.ok(!json.includes('\\'));
    });
    fc.assert(property, { numRuns: 1000 });
  });
});
