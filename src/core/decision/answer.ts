import { formatTimestamp } from '../transaction/timestamp.ts';
import type { Decision } from './decision.ts';

/**
 * The answer to a transaction, byte for byte the same whenever it is asked for again. Built by hand because ids, codes
 * and versions need no escaping and this runs for every transaction.
 */
export function answerJson(decision: Decision): string {
  return (
    `{"transaction_id":"${decision.transaction.transactionId}",` +
    `"is_fraud":${decision.isFraud},` +
    `"fraud_probability":${decision.fraudProbability},` +
    `"model_version":"${decision.modelVersion}",` +
    `"latency_ms":${decision.latencyMs},` +
    `"outcome":"${decision.outcome}",` +
    `"reason_codes":${namesJson(decision.reasonCodes)},` +
    `"degraded":${namesJson(decision.degraded)},` +
    `"decided_at":"${formatTimestamp(decision.decidedAtMs)}"}`
  );
}

function namesJson(names: readonly string[]): string {
  return names.length === 0 ? '[]' : `["${names.join('","')}"]`;
}
