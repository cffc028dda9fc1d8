/** A process that plays the stream of seed argv[3] into argv[2], from where it stands, and kills itself after argv[4] batches. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventsOf } from '../../pipeline/event-log.contract.ts';
import { catchUp } from '../../pipeline/view.ts';
import { openSegmentLog } from '../segment-log/segment-log.ts';
import { arbitraryLogEvents, playBatch, TINY, toBatches } from './lmdb-view.fixture.ts';
import { LmdbView } from './lmdb-view.ts';

const [directory, seed, life] = process.argv.slice(2);
await using log = await openSegmentLog(join(directory, 'log'));
await using view = await LmdbView.open(join(directory, 'views'), log, TINY);
await catchUp(view, log);
const rest = arbitraryLogEvents(Number(seed)).slice((await eventsOf(log)).length);
for (const [index, batch] of toBatches(rest, 1 + (Number(life) % 7)).entries()) {
  if (index === Number(life)) process.kill(process.pid, 'SIGKILL');
  const [durable] = await playBatch(view, log, batch);
  // Now and then LMDB gets the time to commit; otherwise flights overtake it.
  if (index % 3 === 0) await durable;
  if (index % 5 === 0) await nextTurn();
}
