/** Members of the stream's group are killed, and new ones come, while records do: each transaction is decided once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sharedKafka, sharedRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { later, transactionMessage } from '../../http-messages.ts';
import { decisionsInLog, eventually, openFleet, PATIENT, sendTransactions, startProcess } from '../fleet.ts';
import { assertSameAsUnbroken } from '../load.ts';

const MEMBERS = 3;
const KILLS = 4;
const PIECES = 60;
const PIECE = 150;
const PIECE_EVERY_MS = 300;
const USERS = 60;

test(`${KILLS} kills among ${MEMBERS} streams under load: every transaction has one decision`, async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const fleet = await openFleet({ redis, kafka }, PATIENT);
  const streams = await Promise.all(
    Array.from({ length: MEMBERS }, () => startProcess(t, fleet, 'stream')),
  );
  const messages = Array.from({ length: PIECES * PIECE }, (_, index) =>
    transactionMessage(`killed-${index}`, {
      user_id: `killed-u-${index % USERS}`,
      terminal_id: `killed-m-${index % 11}`,
      amount: 1 + (index % 300),
      timestamp: later(index),
    }),
  );

  const sending = (async () => {
    for (let piece = 0; piece < PIECES; piece++) {
      await sendTransactions(fleet.settings, messages.slice(piece * PIECE, (piece + 1) * PIECE));
      await delay(PIECE_EVERY_MS);
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(1_000);
    await streams[kill % MEMBERS].stop('SIGKILL');
    streams[kill % MEMBERS] = await startProcess(t, fleet, 'stream');
  }
  await sending;

  const decisions = await eventually(async () => {
    const found = await decisionsInLog(fleet.settings);
    assert.equal(found.size, messages.length);
    return found;
  }, 90_000);
  let repeats = 0;
  for (const [id, [first, ...others]] of decisions) {
    for (const other of others) assert.deepEqual(other, first, `two decisions of ${id}`);
    repeats += others.length;
  }
  t.diagnostic(`${decisions.size} decisions, ${repeats} of them written again`);
  await Promise.all(streams.map((stream) => stream.stop()));
  await assertSameAsUnbroken(t, fleet, messages);
});
