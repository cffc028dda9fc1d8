/** Servers that ask for TLS and a login, as production has them: the service is told by its environment alone. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startKafka, startRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { HttpClient } from '../../http-client.ts';
import { later, transactionMessage } from '../../http-messages.ts';
import { temporaryDirectory } from '../../start-service.ts';
import { decisionsInLog, openFleet, PATIENT, startProcess } from '../fleet.ts';

test('Redis with an ACL user over TLS, Kafka with SCRAM over TLS', async (t) => {
  const redis = await startRedis(t, { isSecure: true });
  const kafka = redis && (await startKafka(t, { requires: 'scram' }));
  if (!kafka) return;
  const scram = kafka.security!;
  assert.ok(scram.kind === 'scram');
  const login = redis.security!;
  const passwordFile = join(await temporaryDirectory(t), 'password');
  await writeFile(passwordFile, `${scram.password}\n`);
  const fleet = await openFleet(
    { redis, kafka },
    {
      ...PATIENT,
      REDIS_USERNAME: login.user,
      REDIS_PASSWORD: login.password,
      REDIS_TLS: 'true',
      REDIS_CA_FILE: login.certificates.caFile,
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_USERNAME: scram.user,
      KAFKA_SASL_PASSWORD_FILE: passwordFile,
      KAFKA_CA_FILE: scram.certificates.caFile,
    },
  );
  const serve = await startProcess(t, fleet, 'serve');
  using client = new HttpClient(serve.url);
  for (let index = 0; index < 3; index++) {
    const message = transactionMessage(`secured-${index}`, { timestamp: later(index) });
    const { status, text, json } = await client.post('/predict', message);
    assert.equal(status, 200, text);
    assert.deepEqual(json.degraded, []);
  }
  const { features } = (await client.get('/decisions/secured-2')).json;
  assert.equal(features.total_transactions, 2);
  assert.equal((await decisionsInLog(fleet.settings)).size, 3);
  for (const secret of [login.password, scram.password]) assert.ok(!serve.log().includes(secret));
});
