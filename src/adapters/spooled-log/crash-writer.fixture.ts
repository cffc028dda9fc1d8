/** A process to be killed: appends decisions through a spool, and names each once it is durable. */

import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import { openKafkaLog } from '../kafka/kafka.fixture.ts';
import { readKafkaSettings } from '../kafka/kafka-settings.ts';
import { openSpooledEventLog } from './spooled-event-log.ts';

const CALLERS = 16;

const primary = await openKafkaLog(readKafkaSettings(process.env)!, { deliveryTimeoutMs: 1_000 });
const log = await openSpooledEventLog({
  primary,
  directory: process.argv[2],
  segmentBytes: 20_000,
  onChange: ({ isSpooling }) => process.stdout.write(`${isSpooling ? 'spooling' : 'forwarded'}\n`),
});
if (log.isSpooling) process.stdout.write('spooling\n');
let next = Number(process.argv[3]);
const last = Number(process.argv[4]);

async function call(): Promise<void> {
  while (next < last) {
    const index = next++;
    await log.append([sampleDecision(index)]).durable;
    process.stdout.write(`${index}\n`);
  }
}

await Promise.all(Array.from({ length: CALLERS }, call));
process.stdout.write('all\n');
setInterval(() => {}, 60_000); // until it is killed
