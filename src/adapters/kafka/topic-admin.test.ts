import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Admin } from '@platformatic/kafka';
import { runVerb } from '../../../test/start-service.ts';
import { sharedKafka } from '../local-servers/servers.fixture.ts';
import { clientOptions } from './client-options.ts';
import { settingsFor } from './kafka.fixture.ts';
import { TopicAdmin, type TopicState } from './topic-admin.ts';
import { TOPICS } from './topics.ts';

const NAMES = Object.keys(TOPICS);

function statesOf(states: readonly TopicState[], prefix: string): Record<string, string> {
  return Object.fromEntries(states.map(({ topic, state }) => [topic.slice(prefix.length), state]));
}

describe('topics', () => {
  test('are created where they are missing, once', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    await using admin = new TopicAdmin(settings);
    const all = (state: string) => Object.fromEntries(NAMES.map((name) => [name, state]));
    assert.deepEqual(statesOf(await admin.check(), settings.topicPrefix), all('missing'));
    assert.deepEqual(statesOf(await admin.create(), settings.topicPrefix), all('created'));
    assert.deepEqual(statesOf(await admin.create(), settings.topicPrefix), all('as-wanted'));
    assert.deepEqual(statesOf(await admin.check(), settings.topicPrefix), all('as-wanted'));
  });

  test('that differ are told in words, and left as they are', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    const client = new Admin(clientOptions(settings, 'fraud-test'));
    const configs = [
      { name: 'retention.ms', value: '3600000' },
      { name: 'max.message.bytes', value: '9000000' },
    ];
    await client.createTopics({
      topics: [{ topic: `${settings.topicPrefix}predictions`, partitions: 3 }],
      configs,
    });
    while (!(await client.listTopics()).includes(`${settings.topicPrefix}predictions`));
    await client.close();
    await using admin = new TopicAdmin(settings);
    await admin.create();
    const differing = (await admin.check()).filter(({ state }) => state !== 'as-wanted');
    assert.deepEqual(differing, [
      {
        topic: `${settings.topicPrefix}predictions`,
        state: 'differs',
        differences: [
          'it has 3 partitions instead of 12; the partition of a user depends on it',
          'its retention.ms is 3600000 instead of 7776000000',
        ],
      },
    ]);
  });

  test('fraud topics creates and checks them', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const { topicPrefix } = settingsFor(kafka.bootstrapServers);
    const environment = {
      KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(','),
      KAFKA_TOPIC_PREFIX: topicPrefix,
    };
    const topics = (...words: string[]) => runVerbWith(environment, 'topics', ...words);
    const before = await topics('--check', '--json');
    assert.equal(before.code, 1);
    assert.ok(JSON.parse(before.stdout).every(({ state }: TopicState) => state === 'missing'));
    const created = await topics();
    assert.equal(created.code, 0, created.stderr);
    assert.match(created.stdout, new RegExp(`^${topicPrefix}transactions: created$`, 'm'));
    const after = await topics('--check');
    assert.equal(after.code, 0, after.stderr);
    assert.equal(
      after.stdout.split('\n').filter((line) => line.endsWith(': as it should be')).length,
      NAMES.length,
    );
  });

  test('fraud topics says what is missing', async () => {
    const { code, stderr } = await runVerbWith({ KAFKA_BOOTSTRAP_SERVERS: '' }, 'topics');
    assert.equal(code, 2);
    assert.match(stderr, /KAFKA_BOOTSTRAP_SERVERS is not set/);
  });
});

async function runVerbWith(environment: Readonly<Record<string, string>>, ...words: string[]) {
  const before = { ...process.env };
  Object.assign(process.env, environment);
  try {
    return await runVerb(...words);
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    Object.assign(process.env, before);
  }
}
