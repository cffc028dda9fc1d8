import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { Admin, type BaseOptions, ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka';
import { temporaryDirectory, undoAtEnd } from '../../../test/start-service.ts';
import { makeCertificates } from './certificates.ts';
import { readRecord } from './server-record.ts';
import { type KafkaForTest, sharedKafka, startKafka } from './servers.fixture.ts';

type Credentials = Pick<BaseOptions, 'tls' | 'sasl'>;

/** The session timeout of four seconds, an election, and this machine's other work. */
const LEADER_WITHIN_MS = 30_000;
const CLIENT = { clientId: 'test', connectTimeout: 2_000, timeout: 5_000, retries: 1 } as const;
/** A refusal may show as silence: Kafka closes some connections without a word. */
const REFUSED = { connectTimeout: 1_000, retries: 0 } as const;

test('a broker makes the topics it is asked for, and no others', async (t) => {
  const kafka = await sharedKafka(t);
  if (kafka === undefined) return;
  const topic = `${kafka.prefix}transactions`;
  await createTopic(t, kafka, topic, 1);
  await send(t, kafka, topic);
  await assert.rejects(
    send(t, kafka, `${kafka.prefix}unheard-of`),
    /UNKNOWN_TOPIC|not host this topic|unknown/i,
  );
});

test('a broker that is stopped or killed has no process; started again it has its records', async (t) => {
  const kafka = await startKafka(t);
  if (kafka === undefined) return;
  const [node] = kafka.servers.nodes;
  await createTopic(t, kafka, 'kept', 1);
  for (const end of ['stop', 'kill'] as const) {
    const { pid } = (await readRecord(node.recipe.folder))!;
    await kafka.servers[end]();
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    await kafka.servers.restart();
    await send(t, kafka, 'kept');
  }
  const offsets = await adminOf(t, kafka).listOffsets({
    topics: [{ name: 'kept', partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
  });
  assert.equal(offsets[0].partitions[0].offset, 2n);
});

test('of three brokers any may be killed: a write is on two, and another leads', async (t) => {
  const kafka = await startKafka(t, { brokers: 3 });
  if (kafka === undefined) return;
  await createTopic(t, kafka, 'replicated', 3);
  await send(t, kafka, 'replicated');
  const { topics } = await adminOf(t, kafka).metadata({ topics: ['replicated'] });
  const [{ leader, isr }] = topics.get('replicated')!.partitions;
  assert.ok(isr.length >= 2);
  await kafka.servers.nodes[leader - 1].kill();
  const startedAtMs = performance.now();
  const bootstrapServers = kafka.bootstrapServers.filter((_, index) => index !== leader - 1);
  await untilSent(t, { ...kafka, bootstrapServers }, 'replicated');
  t.diagnostic(`written again after ${Math.round(performance.now() - startedAtMs)} ms`);
  await kafka.servers.nodes[leader - 1].restart();
});

test('a broker that requires SASL/SCRAM over TLS serves its user, and refuses', async (t) => {
  const kafka = await startKafka(t, { requires: 'scram' });
  if (kafka === undefined) return;
  assert.ok(kafka.security?.kind === 'scram');
  const { user: username, password, certificates } = kafka.security;
  const tls = { ca: await readFile(certificates.caFile) };
  const sasl = { mechanism: 'SCRAM-SHA-512', username, password } as const;
  await createTopic(t, kafka, 'secret', 1, { tls, sasl });
  await send(t, kafka, 'secret', { tls, sasl });

  await t.test('who speaks without TLS', () => assertRefused(t, kafka, { sasl }));
  await t.test('who gives no password', () => assertRefused(t, kafka, { tls }));
  await t.test('who gives another password', () =>
    assertRefused(t, kafka, { tls, sasl: { ...sasl, password: 'guessed' } }),
  );
  await t.test('who gives another name', () =>
    assertRefused(t, kafka, { tls, sasl: { ...sasl, username: 'nobody' } }),
  );
});

test('a broker that requires a certificate serves who has one, and refuses', async (t) => {
  const kafka = await startKafka(t, { requires: 'mtls' });
  if (kafka === undefined) return;
  assert.ok(kafka.security?.kind === 'mtls');
  const { caFile, clientCertificateFile, clientKeyFile } = kafka.security.certificates;
  const ca = await readFile(caFile);
  const tls = { ca, cert: await readFile(clientCertificateFile), key: await readFile(clientKeyFile) };
  await createTopic(t, kafka, 'secret', 1, { tls });
  await send(t, kafka, 'secret', { tls });

  await t.test('who speaks without TLS', () => assertRefused(t, kafka, {}));
  await t.test('who has no certificate', () => assertRefused(t, kafka, { tls: { ca } }));
  await t.test('who has one of another authority', async () => {
    const other = await makeCertificates(await temporaryDirectory(t));
    const cert = await readFile(other.clientCertificateFile);
    const key = await readFile(other.clientKeyFile);
    await assertRefused(t, kafka, { tls: { ca, cert, key } });
  });
});

function adminOf(t: TestContext, kafka: KafkaForTest, options: Partial<BaseOptions> = {}): Admin {
  const admin = new Admin({ ...CLIENT, bootstrapBrokers: [...kafka.bootstrapServers], ...options });
  undoAtEnd(t, () => admin.close());
  return admin;
}

async function createTopic(
  t: TestContext,
  kafka: KafkaForTest,
  topic: string,
  replicas: number,
  credentials?: Credentials,
): Promise<void> {
  await adminOf(t, kafka, credentials).createTopics({ topics: [topic], partitions: 1, replicas });
}

/** Acknowledged by all replicas that are in sync. */
async function send(
  t: TestContext,
  { bootstrapServers }: KafkaForTest,
  topic: string,
  credentials: Credentials = {},
): Promise<void> {
  const options = { ...CLIENT, bootstrapBrokers: [...bootstrapServers], ...credentials };
  const producer = new Producer({ ...options, acks: ProduceAcks.ALL, serializers: stringSerializers });
  undoAtEnd(t, () => producer.close());
  const { offsets } = await producer.send({ messages: [{ topic, key: 'key', value: 'value' }] });
  assert.equal(offsets?.length, 1);
}

/** The broker that leads may be the one that was killed: until another does, writes fail. */
async function untilSent(t: TestContext, kafka: KafkaForTest, topic: string): Promise<void> {
  const untilMs = performance.now() + LEADER_WITHIN_MS;
  while (true) {
    try {
      return await send(t, kafka, topic);
    } catch (error) {
      if (performance.now() > untilMs) throw error;
    }
  }
}

async function assertRefused(t: TestContext, kafka: KafkaForTest, credentials: Credentials): Promise<void> {
  await assert.rejects(adminOf(t, kafka, { ...REFUSED, ...credentials }).metadata({ topics: [] }));
}
