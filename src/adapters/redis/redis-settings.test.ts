import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../../test/start-service.ts';
import { REDIS_VARIABLES, RedisSettingsError, readRedisSettings } from './redis-settings.ts';

const HOST = { REDIS_HOST: 'redis' };

describe('settings of Redis', () => {
  test('there are none without a host', () => {
    assert.equal(readRedisSettings({}), undefined);
    assert.equal(readRedisSettings({ REDIS_HOST: '', STORE_DEADLINE_MS: '80' }), undefined);
  });

  test('have defaults for all but the host', () => {
    assert.deepEqual(readRedisSettings(HOST), {
      host: 'redis',
      port: 6379,
      isCluster: false,
      security: { username: undefined, password: undefined, tls: undefined },
      decisionSeconds: 45 * 86_400,
      historySeconds: 90 * 86_400,
      deadlines: { recordMs: 25, findMs: 10, claimMs: 10 },
    });
  });

  test('take the password and the certificates from files', async (t) => {
    const directory = await temporaryDirectory(t);
    const names = ['password', 'ca', 'cert', 'key'];
    for (const name of names) await writeFile(join(directory, name), `the ${name}\n`);
    const [password, ca, cert, key] = names.map((name) => join(directory, name));
    const settings = readRedisSettings({
      ...HOST,
      REDIS_USERNAME: 'fraud',
      REDIS_PASSWORD_FILE: password,
      REDIS_TLS: 'true',
      REDIS_CA_FILE: ca,
      REDIS_CERT_FILE: cert,
      REDIS_KEY_FILE: key,
    });
    assert.deepEqual(settings?.security, {
      username: 'fraud',
      password: 'the password',
      tls: { ca: 'the ca\n', cert: 'the cert\n', key: 'the key\n' },
    });
  });

  const refused: Readonly<Record<string, [Record<string, string>, RegExp]>> = {
    'a variable without a host': [{ REDIS_PORT: '6379' }, /^REDIS_PORT is set, but REDIS_HOST is not/],
    'a port that is none': [{ ...HOST, REDIS_PORT: '65536' }, /^REDIS_PORT must be a whole number/],
    'neither true nor false': [{ ...HOST, REDIS_CLUSTER: 'yes' }, /^REDIS_CLUSTER must be true or false/],
    'two passwords': [
      { ...HOST, REDIS_PASSWORD: 'a', REDIS_PASSWORD_FILE: '/b' },
      /REDIS_PASSWORD_FILE are both/,
    ],
    'a file that is not there': [{ ...HOST, REDIS_PASSWORD_FILE: '/no/such/file' }, /^REDIS_PASSWORD_FILE: /],
    'a user without a password': [{ ...HOST, REDIS_USERNAME: 'fraud' }, /^REDIS_USERNAME needs/],
    'a certificate without TLS': [{ ...HOST, REDIS_CA_FILE: '/ca' }, /^REDIS_CA_FILE is set, but REDIS_TLS/],
    'a certificate without its key': [
      { ...HOST, REDIS_TLS: 'true', REDIS_CERT_FILE: import.meta.filename },
      /REDIS_CERT_FILE and REDIS_KEY_FILE go together/,
    ],
    'a deadline that nothing can keep': [{ ...HOST, STORE_DEADLINE_MS: '5' }, /^STORE_DEADLINE_MS must be/],
    'no days': [{ ...HOST, REDIS_DECISION_DAYS: '0' }, /^REDIS_DECISION_DAYS must be/],
  };
  for (const [what, [environment, message]] of Object.entries(refused)) {
    test(`refuse ${what}, by name`, () => {
      assert.throws(() => readRedisSettings(environment), { name: 'Error', code: 'redis-settings', message });
      assert.throws(() => readRedisSettings(environment), RedisSettingsError);
    });
  }

  test('are all in the table', () => {
    const { REDIS_HOST, ...others } = REDIS_VARIABLES;
    assert.equal(REDIS_HOST.default, '');
    for (const name of Object.keys(others)) assert.match(name, /^(REDIS_|STORE_DEADLINE_MS$)/);
  });
});
