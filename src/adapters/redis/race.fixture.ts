/**
 * One of several clients that get the same transactions and labels at nearly the same time and record them on few
 * entities. As a process of its own it takes settings and part as JSON in argv[2] and prints what it was told.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'redis';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { FeatureVectorizer } from '../../core/features/feature-vector.ts';
import { labelOf, paymentOf } from '../../core/features/payment-of.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { RedisSettings } from './redis-settings.ts';
import { RedisStores } from './redis-stores.ts';

export type Race = { readonly payments: number; readonly users: number; readonly terminals: number };

export type RaceEntry = {
  readonly settings: RedisSettings;
  readonly keyPrefix: string;
  readonly race: Race;
  /** Which of the clients it is: each takes its own order and its own batches. */
  readonly client: number;
  readonly clients: number;
};

/** What a client was told about a transaction. */
export type Told = {
  readonly id: string;
  readonly userPosition: number;
  readonly terminalPosition: number | undefined;
  readonly features: string;
};

/** What a client was told about a label. */
export type ToldLabel = Pick<Told, 'id' | 'terminalPosition'> & { readonly userPosition: number | undefined };
export type RaceReport = { readonly told: readonly Told[]; readonly labels: readonly ToldLabel[] };

/**
 * Payments after which the clients wait for each other. A client that is more than EXACT_RECORDS behind would record what
 * is no longer known, and one that is 64 behind might see a fold; the decision index keeps both from happening.
 */
const MEET_EVERY = 40;
const NOON = Date.UTC(2024, 5, 12, 12);
const vectorizer = new FeatureVectorizer(FEATURE_NAMES);

export function paymentsOf({ payments, users, terminals }: Race): Transaction[] {
  return Array.from({ length: payments }, (_, index) =>
    paymentOf({
      transactionId: `race-${index}`,
      userId: `u${index % users}`,
      terminalId: `shop-${index % terminals}`,
      amountUnits: 10_000 + index,
      timestampMs: NOON + index * 60_000 - (index % 9 === 0 ? 3_600_000 : 0),
    }),
  );
}

/** As the client learns it: each says a moment of its own. */
export function fraudOf(payment: Transaction, client: number): KnownLabel {
  return labelOf(payment, { knownAtMs: payment.timestampMs + 60_000 + client });
}

export function isFraud(index: number): boolean {
  return index % 10 === 3;
}

/** Takes the payments nearly in order, in batches of one to eight, and now and then a label of one some batches before. */
export async function takePart(
  { featureStore }: RedisStores,
  { settings, keyPrefix, race, client, clients }: RaceEntry,
): Promise<RaceReport> {
  const payments = paymentsOf(race);
  const meeting = openMeeting(settings);
  await meeting.connect();
  const told: Told[] = [];
  const labels: ToldLabel[] = [];
  const random = randomFrom(client);
  for (let first = 0; first < payments.length; ) {
    if (first % MEET_EVERY === 0) await meet(meeting, `${keyPrefix}meeting:${first}`, clients);
    const end = Math.min(first + 1 + Math.floor(random() * 8), first + MEET_EVERY - (first % MEET_EVERY));
    const batch = payments.slice(first, end);
    if (random() < 0.5) batch.reverse();
    const views = await featureStore.record(batch);
    for (const [index, payment] of batch.entries()) {
      const { user, terminal } = views[index];
      const features = Buffer.from(vectorizer.compute(payment, views[index]).buffer).toString('hex');
      const places = { userPosition: user.position, terminalPosition: terminal?.position };
      told.push({ id: payment.transactionId, ...places, features });
    }
    const known = batch.flatMap((payment) => {
      const index = payments.indexOf(payment);
      return isFraud(index) ? [fraudOf(payment, client)] : [];
    });
    for (const { transactionId: id, userPosition, terminalPosition } of await featureStore.recordLabels(
      known,
    )) {
      labels.push({ id, userPosition, terminalPosition });
    }
    first = end;
  }
  meeting.destroy();
  return { told, labels };
}

function openMeeting({ host, port }: RedisSettings) {
  return createClient({ socket: { host, port } });
}

/** Waits until all clients have come this far. */
async function meet(client: ReturnType<typeof openMeeting>, key: string, clients: number): Promise<void> {
  await client.incr(key);
  while (Number(await client.get(key)) < clients) await delay(1);
}

function randomFrom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

if (process.argv[1] === import.meta.filename) {
  const entry = JSON.parse(process.argv[2]) as RaceEntry;
  const { settings, keyPrefix } = entry;
  await using stores = await RedisStores.open(settings, { keyPrefix, connectWithinMs: 20_000 });
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.destroy();
  process.stdout.write(JSON.stringify(await takePart(stores, entry)));
}
