/** Several clients, in this process and in others, record the same things at once, and agree on what happened. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { createClient, RESP_TYPES } from 'redis';
import { undoAtEnd } from '../../../test/start-service.ts';
import { EntityActivity } from '../../core/features/activity.ts';
import { EntityHistory } from '../../core/features/entity-history.ts';
import { REACH_MS } from '../../core/features/feature-vector.ts';
import { EXACT_RECORDS, readSummary } from '../../core/features/fold.ts';
import { paymentOf } from '../../core/features/payment-of.ts';
import { encodeLabel, encodeTransaction, RECORD_BYTES, RECORD_WORDS } from '../../core/features/record.ts';
import { SharedHistory } from '../../core/features/shared-history.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import { sharedRedis } from '../local-servers/servers.fixture.ts';
import {
  fraudOf,
  isFraud,
  paymentsOf,
  type Race,
  type RaceEntry,
  type RaceReport,
  takePart,
} from './race.fixture.ts';
import { openStores, settingsOf } from './redis-stores.fixture.ts';

const CLIENTS_HERE = 4;
const PROCESSES = 2;
const CLIENTS = CLIENTS_HERE + PROCESSES;
const LATER = Date.UTC(2024, 5, 20);
const PROGRAM = join(import.meta.dirname, 'race.fixture.ts');

describe('clients that record the same at once', () => {
  test('leave histories as if one had recorded what came first, and are all told so', async (t) => {
    const race = { payments: 360, users: 2, terminals: 3 };
    const run = await runRace(t, race);
    if (!run) return;
    const { reports, read } = run;
    for (const entity of entitiesOf(race)) {
      const memory = new EntityHistory(entity.reachMs);
      const expected = replay(await read(entity.key), entity, race, memory);
      for (const { told, labels } of reports) {
        for (const { id, ...positions } of told) assertPosition(expected, `payment ${id}`, positions, entity);
        for (const { id, ...positions } of labels) assertPosition(expected, `label ${id}`, positions, entity);
      }
      const shared = new SharedHistory(entity.reachMs, await read(entity.key));
      assert.deepEqual(Buffer.from(shared.toBytes()), Buffer.from(memory.toBytes()));
    }
    assertAgreement(reports);
  });

  test('lose nothing where histories are folded under their hands', async (t) => {
    const race = { payments: 2_400, users: 1, terminals: 2 };
    const run = await runRace(t, race);
    if (!run) return;
    assertAgreement(run.reports);
    const [{ told, labels }] = run.reports;
    for (const entity of entitiesOf(race)) {
      const own = [...told, ...labels].filter(({ id }) => entity.has(id));
      const positions = own.map((places) => places[entity.place]!).sort((one, other) => one - other);
      assert.deepEqual(
        positions,
        positions.map((_, position) => position),
        `${entity.key}: each record has a place of its own, and none is missing`,
      );
      // Whatever became of the records, the next payment finds every payment once.
      const [, id] = entity.key.split(':');
      const who = entity.place === 'userPosition' ? { userId: id } : { userId: 'another', terminalId: id };
      const next = paymentOf({ ...who, timestampMs: LATER });
      const [views] = await run.record([next]);
      const view = entity.place === 'userPosition' ? views.user : views.terminal!;
      const activity = new EntityActivity([]);
      activity.observe(view);
      const payments = paymentsOf(race).filter(({ transactionId }) => entity.has(transactionId));
      assert.equal(activity.lifetime.count, payments.length);
      assert.equal(activity.lifetime.units, sumOfUnits(payments));
      const { removedCount } = readSummary(view.words, view.wordCount);
      assert.ok(removedCount > own.length - EXACT_RECORDS - 300, `${entity.key}: ${removedCount} folded`);
      assert.ok((await run.read(entity.key)).length < 40_000);
    }
  });
});

type Entity = {
  readonly key: string;
  readonly reachMs: number;
  readonly place: 'userPosition' | 'terminalPosition';
  readonly has: (transactionId: string) => boolean;
};

function entitiesOf({ users, terminals }: Race): Entity[] {
  const indexOf = (id: string) => Number(id.split('-')[1]);
  return [
    ...Array.from({ length: users }, (_, user) => ({
      key: `user:u${user}`,
      reachMs: REACH_MS.user,
      place: 'userPosition' as const,
      has: (id: string) => indexOf(id) % users === user,
    })),
    ...Array.from({ length: terminals }, (_, terminal) => ({
      key: `terminal:shop-${terminal}`,
      reachMs: REACH_MS.terminal,
      place: 'terminalPosition' as const,
      has: (id: string) => indexOf(id) % terminals === terminal,
    })),
  ];
}

/** Undefined where there is no Redis, and the test is skipped. */
async function runRace(t: TestContext, race: Race) {
  const redis = await sharedRedis(t);
  if (!redis) return undefined;
  const { prefix: keyPrefix } = redis;
  const entry = { settings: settingsOf(redis), keyPrefix, race, clients: CLIENTS };
  const others = Array.from({ length: PROCESSES }, (_, index) =>
    startProcess({ ...entry, client: CLIENTS_HERE + index }),
  );
  await Promise.all(others.map(({ ready }) => ready));
  const stores = await Promise.all(
    Array.from({ length: CLIENTS_HERE }, () => openStores(redis, { keyPrefix })),
  );
  const reports = await Promise.all([
    ...stores.map((each, client) => takePart(each, { ...entry, client })),
    ...others.map(({ go }) => go()),
  ]);
  const [{ featureStore }] = stores;
  undoAtEnd(t, () => Promise.all(stores.map((each) => each[Symbol.asyncDispose]())));
  const record = (transactions: readonly Transaction[]) => featureStore.record(transactions);
  const read = async (key: string) => {
    const client = createClient({ socket: redis }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    await client.connect();
    const bytes = await client.get(keyPrefix + key);
    client.destroy();
    return bytes!;
  };
  return { reports, read, record };
}

function startProcess(entry: RaceEntry) {
  const args = ['--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(entry)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  return {
    ready: once(child.stdout, 'data'),
    go: async (): Promise<RaceReport> => {
      child.stdin.end('go\n');
      return JSON.parse(await text(child.stdout));
    },
  };
}

/** Whoever was told about a transaction was told the same, features included; and about a label. */
function assertAgreement(reports: readonly RaceReport[]): void {
  assert.equal(reports.length, CLIENTS);
  const byId = (report: RaceReport) => new Map(report.told.map((told) => [told.id, told]));
  const labelsById = (report: RaceReport) => new Map(report.labels.map((told) => [told.id, told]));
  const [first, ...others] = reports;
  for (const other of others) {
    const [told, expected] = [byId(other), byId(first)];
    for (const [id, expectation] of expected) assert.deepEqual(told.get(id), expectation);
    const [labels, expectedLabels] = [labelsById(other), labelsById(first)];
    for (const [id, expectation] of expectedLabels) assert.deepEqual(labels.get(id), expectation);
  }
}

/** Feeds a history in memory with the records in the order that the store has them; positions by what they are. */
function replay(bytes: Buffer, entity: Entity, race: Race, memory: EntityHistory): Map<string, number> {
  const positions = new Map<string, number>();
  const items = new Map<string, Transaction | KnownLabel>();
  for (const [index, payment] of paymentsOf(race).entries()) {
    if (!entity.has(payment.transactionId)) continue;
    items.set(hexOf(recordOf(payment, entity)), payment);
    if (!isFraud(index)) continue;
    for (let client = 0; client < CLIENTS; client++) {
      const label = fraudOf(payment, client);
      items.set(hexOf(recordOf(label, entity)), label);
    }
  }
  let count = 0;
  for (let offset = 0; offset < bytes.length; offset += RECORD_BYTES) {
    const item = items.get(bytes.toString('hex', offset, offset + RECORD_BYTES))!;
    const { transactionId: id } = item;
    if ('isFraud' in item) {
      if (memory.recordLabel(item)) positions.set(`label ${id}`, count++);
      continue;
    }
    const counterpart = entity.place === 'userPosition' ? item.terminalId : item.userId;
    const { position } = memory.recordTransaction(item, counterpart);
    positions.set(`payment ${id}`, position);
    count = Math.max(count, position + 1);
  }
  return positions;
}

function assertPosition(
  expected: ReadonlyMap<string, number>,
  what: string,
  positions: { readonly userPosition: number | undefined; readonly terminalPosition: number | undefined },
  entity: Entity,
): void {
  if (entity.has(what.split(' ')[1])) assert.equal(positions[entity.place], expected.get(what), what);
}

function recordOf(item: Transaction | KnownLabel, entity?: Entity): Uint32Array {
  const record = new Uint32Array(RECORD_WORDS);
  if ('isFraud' in item) encodeLabel(item, record);
  else encodeTransaction(item, entity?.place === 'userPosition' ? item.terminalId : item.userId, record);
  return record;
}

function hexOf(record: Uint32Array): string {
  return Buffer.from(record.buffer).toString('hex');
}

function sumOfUnits(payments: readonly Transaction[]): number {
  return payments.reduce((sum, { amountUnits }) => sum + amountUnits, 0);
}
