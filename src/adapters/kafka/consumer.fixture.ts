/** A process to be killed: handles what comes, and names each record once its effect would be durable. */
import { setTimeout as delay } from 'node:timers/promises';
import { readKafkaSettings } from './kafka-settings.ts';
import { TransactionConsumer } from './transaction-consumer.ts';

const RECORDS_MAX = 20;
const WORK_MS = 10;

await using consumer = await TransactionConsumer.open(readKafkaSettings(process.env)!, {
  topics: ['transactions'],
  sessionTimeoutMs: 6_000,
  onAssignment: (partitions) => process.stdout.write(`assigned ${partitions.length}\n`),
  onTrouble: (error) => process.stderr.write(`${error.message}\n`),
});
for (;;) {
  const records = await consumer.next(RECORDS_MAX);
  if (records === undefined) break;
  await delay(WORK_MS);
  process.stdout.write(records.map(({ partition, offset }) => `${partition} ${offset}\n`).join(''));
  consumer.done(records);
}
