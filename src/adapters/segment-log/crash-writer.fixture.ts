/** A process to be killed: appends decisions to the log in argv[2] and names each one's position once it is durable. */
import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import { openSegmentLog } from './segment-log.ts';

const CALLERS = 32;
/** Small, so that processes die around changes of segments too. */
const SEGMENT_BYTES = 200_000;

const log = await openSegmentLog(process.argv[2], { segmentBytes: SEGMENT_BYTES });
let next = Number(process.argv[3]);

async function call(): Promise<never> {
  for (;;) {
    const index = next++;
    const { positions, durable } = log.append([sampleDecision(index)]);
    await durable;
    process.stdout.write(`${index} ${positions[0]}\n`);
  }
}

await Promise.all(Array.from({ length: CALLERS }, call));
