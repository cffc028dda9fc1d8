/** Members of the stream's group are killed with their hands full, and new ones come: each transaction is decided once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedKafka, sharedRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { later, transactionMessage } from '../../http-messages.ts';
import type { Service } from '../../start-service.ts';
import {
  decisionsInLog,
  eventually,
  metricOf,
  openFleet,
  PATIENT,
  sendTransactions,
  startProcess,
} from '../fleet.ts';
import { assertSameAsUnbroken } from '../load.ts';

const MEMBERS = 3;
const KILLS = 4;
/** Some seconds of work for three. */
const BURST = 4_000;
const USERS = 60;
/** So many that none gets 512 others between a kill and the take-over: a record so far back is not known again (fold.ts). */
const TERMINALS = 101;
const DECIDED_WITHIN_MS = 90_000;

test(`${KILLS} kills among ${MEMBERS} streams under load: every transaction has one decision`, async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const fleet = await openFleet({ redis, kafka }, PATIENT);
  const streams = await Promise.all(Array.from({ length: MEMBERS }, () => startProcess(t, fleet, 'stream')));
  const messages = Array.from({ length: KILLS * BURST }, (_, index) =>
    transactionMessage(`killed-${index}`, {
      user_id: `killed-u-${index % USERS}`,
      terminal_id: `killed-m-${index % TERMINALS}`,
      amount: 1 + (index % 300),
      timestamp: later(index),
    }),
  );

  let repeats = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const sending = sendTransactions(fleet.settings, messages.slice(kill * BURST, (kill + 1) * BURST));
    const victim = kill % MEMBERS;
    await killAtWork(streams[victim]);
    await sending;
    streams[victim] = await startProcess(t, fleet, 'stream');
  }
  const decisions = await eventually(async () => {
    const found = await decisionsInLog(fleet.settings);
    assert.equal(found.size, messages.length);
    return found;
  }, DECIDED_WITHIN_MS);
  for (const stream of streams) repeats += await metricOf(stream, 'fraud_repeats_total');
  assert.ok(repeats > 0, 'nobody was killed with anything uncommitted');
  let writtenAgain = 0;
  for (const [id, [first, ...others]] of decisions) {
    for (const other of others) assert.deepEqual(other, first, `two decisions of ${id}`);
    writtenAgain += others.length;
  }
  t.diagnostic(`${decisions.size} decisions; ${repeats} read again, ${writtenAgain} written again`);
  await Promise.all(streams.map((stream) => stream.stop()));
  await assertSameAsUnbroken(t, fleet, messages);
});

/** As soon as it has decided something of what just came. */
async function killAtWork(stream: Service): Promise<void> {
  const before = await metricOf(stream, 'predictions_total');
  await eventually(async () => assert.ok((await metricOf(stream, 'predictions_total')) > before));
  await stream.stop('SIGKILL');
}
