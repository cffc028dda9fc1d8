import { now } from '../../assembly/engine.ts';
import type { Work } from './pump.ts';
import { readRecord } from './read-record.ts';
import { bury, patiently, type StreamContext } from './score-records.ts';

/** Keeps histories and `feature-updates` fresh and decides nothing: whoever scores finds what happened before. */
export function processFeatures(context: StreamContext): Work {
  const { engine, updates, metrics } = context;
  return async (records) => {
    const read = records.map((record) => readRecord(record, now()));
    const bad = read.filter((one) => one.kind === 'unreadable');
    const transactions = read.flatMap((one) => (one.kind === 'transaction' ? [one.transaction] : []));
    await Promise.all(bad.map(({ record, reason }) => bury(record, reason, context)));
    if (transactions.length === 0) return;
    const since = now();
    const histories = await patiently(() => engine.featureStore.record(transactions));
    const { vectorizer, document } = engine.lane.control;
    const vectors = transactions.map((transaction, index) => ({
      transaction,
      features: vectorizer.compute(transaction, histories[index]),
    }));
    metrics.stage('features', now() - since);
    await patiently(() => updates.publish(vectors, document.features));
  };
}
