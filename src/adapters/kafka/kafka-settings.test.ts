import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../../test/start-service.ts';
import { KafkaSettingsError, readKafkaSettings } from './kafka-settings.ts';

const SERVERS = { KAFKA_BOOTSTRAP_SERVERS: 'one:9092, two:9093' };
const LOGIN = { KAFKA_SASL_USERNAME: 'fraud', KAFKA_SASL_PASSWORD: 'secret' };

describe('Kafka’s settings', () => {
  test('are none where no brokers are named', () => {
    assert.equal(readKafkaSettings({}), undefined);
    assert.equal(readKafkaSettings({ KAFKA_BOOTSTRAP_SERVERS: '', SPOOL_MAX_BYTES: '2000000' }), undefined);
  });

  test('have their defaults, and are frozen', () => {
    const settings = readKafkaSettings(SERVERS);
    assert.deepEqual(settings, {
      bootstrapServers: ['one:9092', 'two:9093'],
      tls: undefined,
      login: undefined,
      consumerGroup: 'fraud-stream',
      topicPrefix: '',
      publishDeadlineMs: 30,
      spoolBytesMax: 268_435_456,
    });
    assert.ok(Object.isFrozen(settings));
  });

  test('take passwords and certificates from files', async (t) => {
    const directory = await temporaryDirectory(t);
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const settings = readKafkaSettings({
      ...SERVERS,
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
      KAFKA_SASL_USERNAME: 'fraud',
      KAFKA_SASL_PASSWORD_FILE: file('password', 'sec ret\n'),
      KAFKA_CA_FILE: file('ca.pem', 'ca'),
      KAFKA_CERT_FILE: file('cert.pem', 'cert'),
      KAFKA_KEY_FILE: file('key.pem', 'key'),
    });
    assert.deepEqual(settings?.login, { mechanism: 'SCRAM-SHA-256', username: 'fraud', password: 'sec ret' });
    assert.deepEqual(settings?.tls, { ca: 'ca', certificate: 'cert', key: 'key' });
  });

  const refused: readonly (readonly [environment: Record<string, string>, message: RegExp])[] = [
    [{ KAFKA_TOPIC_PREFIX: 'x-' }, /KAFKA_TOPIC_PREFIX is set, but KAFKA_BOOTSTRAP_SERVERS names no broker/],
    [{ KAFKA_BOOTSTRAP_SERVERS: 'one' }, /KAFKA_BOOTSTRAP_SERVERS must be host:port,host:port; "one" is not/],
    [{ KAFKA_BOOTSTRAP_SERVERS: 'one:99999' }, /KAFKA_BOOTSTRAP_SERVERS/],
    [{ KAFKA_BOOTSTRAP_SERVERS: 'one:1,' }, /KAFKA_BOOTSTRAP_SERVERS/],
    [{ ...SERVERS, KAFKA_SECURITY_PROTOCOL: 'TLS' }, /KAFKA_SECURITY_PROTOCOL must be one of PLAINTEXT, SSL/],
    [{ ...SERVERS, ...LOGIN }, /KAFKA_SASL_USERNAME is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT/],
    [{ ...SERVERS, KAFKA_CA_FILE: 'x' }, /KAFKA_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT/],
    [{ ...SERVERS, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' }, /KAFKA_SASL_USERNAME is missing/],
    [
      { ...SERVERS, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SASL_USERNAME: 'x' },
      /KAFKA_SASL_PASSWORD is missing/,
    ],
    [
      { ...SERVERS, ...LOGIN, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SASL_PASSWORD_FILE: 'x' },
      /KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set/,
    ],
    [
      { ...SERVERS, ...LOGIN, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SASL_MECHANISM: 'GSSAPI' },
      /KAFKA_SASL_MECHANISM must be one of/,
    ],
    [
      { ...SERVERS, KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_CERT_FILE: '/nowhere/cert' },
      /KAFKA_CERT_FILE is set, but KAFKA_KEY_FILE is not/,
    ],
    [
      { ...SERVERS, KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_CA_FILE: '/nowhere/ca' },
      /KAFKA_CA_FILE names \/nowhere\/ca, which cannot be read/,
    ],
    [{ ...SERVERS, KAFKA_TOPIC_PREFIX: 'a b' }, /KAFKA_TOPIC_PREFIX must be letters/],
    [
      { ...SERVERS, KAFKA_PUBLISH_DEADLINE_MS: '0' },
      /KAFKA_PUBLISH_DEADLINE_MS must be a whole number from 1/,
    ],
    [{ ...SERVERS, SPOOL_MAX_BYTES: '10MB' }, /SPOOL_MAX_BYTES must be a whole number/],
  ];
  for (const [environment, message] of refused) {
    test(`refuse ${JSON.stringify(environment)}`, () => {
      assert.throws(
        () => readKafkaSettings(environment),
        (error: Error) => error instanceof KafkaSettingsError && message.test(error.message),
      );
    });
  }
});
