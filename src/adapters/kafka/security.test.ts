/** Brokers that ask who we are: by password over TLS, and by certificate. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../../test/start-service.ts';
import { assertSameEvents, sampleDecision } from '../../pipeline/event-log.contract.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { startKafka } from '../local-servers/servers.fixture.ts';
import { createTopics, openKafkaLog, readAll, sendTransactions, settingsFor } from './kafka.fixture.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { TransactionConsumer } from './transaction-consumer.ts';

async function assertWorks(settings: KafkaSettings): Promise<void> {
  await createTopics(settings);
  {
    await using log = await openKafkaLog(settings);
    await log.append([sampleDecision(1), sampleDecision(2)]).durable;
  }
  assertSameEvents(await readAll(settings), [sampleDecision(1), sampleDecision(2)]);
  await sendTransactions(settings, { from: 0, count: 1 });
  await using consumer = await TransactionConsumer.open(settings);
  const records = (await consumer.next(10))!;
  assert.equal(records.length, 1);
  consumer.done(records);
}

async function assertRefused(settings: KafkaSettings): Promise<void> {
  await using log = await openKafkaLog(settings, { deliveryTimeoutMs: 1_000 });
  await assert.rejects(log.append([sampleDecision(1)]).durable, LogUnavailableError);
}

describe('secured brokers', () => {
  test('SASL/SCRAM over TLS', async (t) => {
    const kafka = await startKafka(t, { requires: 'scram' });
    if (!kafka) return;
    const { security } = kafka;
    assert.ok(security?.kind === 'scram');
    const passwordFile = join(await temporaryDirectory(t), 'password');
    writeFileSync(passwordFile, `${security.password}\n`);
    const environment = {
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_USERNAME: security.user,
      KAFKA_CA_FILE: security.certificates.caFile,
    };
    await assertWorks(
      settingsFor(kafka.bootstrapServers, { ...environment, KAFKA_SASL_PASSWORD_FILE: passwordFile }),
    );
    await assertRefused(
      settingsFor(kafka.bootstrapServers, { ...environment, KAFKA_SASL_PASSWORD: 'wrong' }),
    );
  });

  test('TLS with a certificate of ours', async (t) => {
    const kafka = await startKafka(t, { requires: 'mtls' });
    if (!kafka) return;
    const { security } = kafka;
    assert.ok(security?.kind === 'mtls');
    const { caFile, clientCertificateFile, clientKeyFile } = security.certificates;
    const environment = { KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_CA_FILE: caFile };
    await assertWorks(
      settingsFor(kafka.bootstrapServers, {
        ...environment,
        KAFKA_CERT_FILE: clientCertificateFile,
        KAFKA_KEY_FILE: clientKeyFile,
      }),
    );
    await assertRefused(settingsFor(kafka.bootstrapServers, environment));
    await assertRefused(settingsFor(kafka.bootstrapServers));
  });
});
