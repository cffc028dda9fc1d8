/** `fraud services`, as a person would use it: servers that outlive the command which started them, found by the next. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findFreePorts, isFree } from '../src/adapters/local-servers/free-ports.ts';
import { countBrokers } from '../src/adapters/local-servers/kafka-broker.ts';
import { hasEnded } from '../src/adapters/local-servers/process-table.ts';
import { askRedis } from '../src/adapters/local-servers/redis-server.ts';
import { canStartServers, startRedis } from '../src/adapters/local-servers/servers.fixture.ts';
import type { ServerStatus } from '../src/adapters/local-servers/service-status.ts';
import { runVerbIn, startService, temporaryDirectory, undoAtEnd } from './start-service.ts';

/** Nothing is named unless a test names it. */
const UNNAMED = { REDIS_HOST: '', KAFKA_BOOTSTRAP_SERVERS: '' };
const USUAL_REDIS_PORT = 6_379;

test('a Redis and a Kafka go up, are found, and go down with nothing left', async (t) => {
  if (!(await canStartServers(t))) return;
  const data = await temporaryDirectory(t);
  const services = servicesIn(t, join(data, 'services'));
  let variables: Readonly<Record<string, string>> = {};
  let pids: readonly number[] = [];

  await t.test('up prints the variables that name what then serves', async () => {
    const { stdout, stderr } = await services.succeed('up');
    assert.match(stderr, /redis serves at 127\.0\.0\.1:\d+\nkafka serves at 127\.0\.0\.1:\d+\n$/);
    variables = variablesIn(stdout);
    assert.deepEqual(Object.keys(variables), ['REDIS_HOST', 'REDIS_PORT', 'KAFKA_BOOTSTRAP_SERVERS']);
    assert.equal(await askRedis(redisOf(variables), ['SET', 'kept', 'yes']), 'OK');
    assert.equal(await countBrokers({ bootstrapBrokers: [variables.KAFKA_BOOTSTRAP_SERVERS] }), 1);
  });

  await t.test('status says what runs where, since when, with how much memory', async () => {
    const servers = await services.servers();
    pids = servers.map(({ pid }) => pid);
    assert.deepEqual(
      servers.map(({ kind, shape, isRunning }) => [kind, shape, isRunning]),
      [
        ['redis', 'single', true],
        ['kafka', 'single', true],
      ],
    );
    for (const { address, pid, startedAt, memoryBytes } of servers) {
      assert.match(address, /^127\.0\.0\.1:\d+$/);
      assert.ok(process.kill(pid, 0));
      assert.ok(Date.now() - Date.parse(startedAt) < 120_000, startedAt);
      assert.ok(memoryBytes > 1_000_000, `${memoryBytes} bytes`);
    }
    const { stdout } = await services.succeed('status');
    assert.match(stdout, /^redis +single +127\.0\.0\.1:\d+ +process \d+ +since 20\S+Z +\d+ MB\nkafka /);
  });

  await t.test('up again leaves what runs and says so', async () => {
    const { stdout, stderr } = await services.succeed('up');
    assert.match(stderr, /^redis was up already .*\nkafka was up already .*\n$/);
    assert.deepEqual(variablesIn(stdout), variables);
    assert.deepEqual(
      (await services.servers()).map(({ pid }) => pid),
      pids,
    );
  });

  await t.test('up starts again what has ended by itself', async () => {
    process.kill(pids[0], 'SIGKILL');
    const { stderr } = await services.succeed('up');
    assert.match(stderr, /redis serves .*\nkafka was up already/);
    const [redis, kafka] = await services.servers();
    assert.notEqual(redis.pid, pids[0]);
    pids = [redis.pid, kafka.pid];
  });

  await t.test('a service may keep its data beside them', async () => {
    const service = await startService(t, { dataDirectory: data });
    await service.stop();
  });

  await t.test('down --only ends one, down the rest, and both only once', async () => {
    assert.match((await services.succeed('down', '--only', 'kafka')).stdout, /^kafka at .* has ended\n$/);
    assert.equal(await askRedis(redisOf(variables), ['PING']), 'PONG');
    assert.match((await services.succeed('down')).stdout, /^redis at .* has ended\n$/);
    assert.equal((await services.succeed('down')).stdout, 'nothing runs that was started here\n');
    for (const pid of pids) assert.ok(await hasEnded(pid));
    assert.ok((await services.servers()).every(({ isRunning }) => !isRunning));
    assert.match((await services.succeed('status')).stdout, /^redis .*stopped\nkafka .*stopped\n$/);
  });

  await t.test('up after down has the ports and the data from before', async () => {
    const { stdout } = await services.succeed('up', '--only', 'redis', '--json');
    const { REDIS_HOST, REDIS_PORT } = JSON.parse(stdout).variables;
    assert.deepEqual([REDIS_HOST, REDIS_PORT], [variables.REDIS_HOST, variables.REDIS_PORT]);
    assert.equal(await askRedis(redisOf(variables), ['GET', 'kept']), 'yes');
  });
});

test('a fleet is a Redis Cluster and three brokers', async (t) => {
  if (!(await canStartServers(t))) return;
  const services = servicesIn(t, await temporaryDirectory(t));
  const variables = variablesIn((await services.succeed('up', '--shape', 'fleet')).stdout);
  assert.equal(variables.REDIS_CLUSTER, 'true');
  assert.match(await askRedis(redisOf(variables), ['CLUSTER', 'INFO']), /cluster_slots_ok:16384/);
  const brokers = variables.KAFKA_BOOTSTRAP_SERVERS.split(',');
  assert.equal(brokers.length, 3);
  for (const broker of brokers) assert.equal(await countBrokers({ bootstrapBrokers: [broker] }), 3);
  const servers = await services.servers();
  assert.equal(servers.filter(({ isRunning }) => isRunning).length, 9);
  await services.succeed('down');
  for (const { pid } of servers) assert.ok(await hasEnded(pid));
});

test('where the usual port is taken, another is chosen', async (t) => {
  if (!(await canStartServers(t))) return;
  if (await isFree(USUAL_REDIS_PORT)) {
    const other = createServer().listen(USUAL_REDIS_PORT, '127.0.0.1');
    undoAtEnd(t, () => other.close());
    await once(other, 'listening');
  }
  const services = servicesIn(t, await temporaryDirectory(t));
  const variables = variablesIn((await services.succeed('up', '--only', 'redis')).stdout);
  assert.notEqual(Number(variables.REDIS_PORT), USUAL_REDIS_PORT);
  assert.equal(await askRedis(redisOf(variables), ['PING']), 'PONG');
});

test('servers that the environment names are asked, and nothing is started', async (t) => {
  const redis = await startRedis(t, { isSecure: true });
  if (redis === undefined) return;
  const services = servicesIn(t, await temporaryDirectory(t));
  const { user, password, certificates } = redis.security!;
  const named = {
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    REDIS_USERNAME: user,
    REDIS_PASSWORD: password,
    REDIS_TLS: 'true',
    REDIS_CA_FILE: certificates.caFile,
  };
  const { stdout, stderr } = await services.succeedWith(named, 'up', '--only', 'redis');
  assert.deepEqual(variablesIn(stdout), { REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) });
  assert.equal(stderr, `redis is named by the environment and answers at ${redis.host}:${redis.port}\n`);
  assert.deepEqual(await services.servers(), []);
  await redis.servers.kill();
  assert.match(
    await services.fail(named, 'up', '--only', 'redis'),
    /^fraud: REDIS_HOST names 127\.0\.0\.1:\d+, which answers no PING: /,
  );
});

test('a named Kafka that does not answer is an error', async (t) => {
  const services = servicesIn(t, await temporaryDirectory(t));
  const [port] = await findFreePorts(1);
  const named = { KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${port}` };
  assert.match(
    await services.fail(named, 'up', '--only', 'kafka'),
    /^fraud: KAFKA_BOOTSTRAP_SERVERS names 127\.0\.0\.1:\d+, which tells no metadata: /,
  );
});

test('what is missing is named, with the package to install', async (t) => {
  const services = servicesIn(t, await temporaryDirectory(t));
  const missing = /^fraud: (\S+).* cannot be found on the path.*apt-get install (.*); nor does Docker answer/;
  const redis = missing.exec(await services.fail({ PATH: '' }, 'up', '--only', 'redis'));
  assert.deepEqual(redis?.slice(1), ['redis-server,', 'redis-server redis-tools']);
  const kafka = missing.exec(await services.fail({ PATH: '' }, 'up', '--only', 'kafka'));
  assert.deepEqual(kafka?.slice(1), ['java', 'default-jdk-headless']);
});

test('what cannot be meant is refused with what can be said', async (t) => {
  const services = servicesIn(t, await temporaryDirectory(t));
  assert.match(await services.fail({}, 'sideways'), /takes one word: up, down, status/);
  assert.match(await services.fail({}, 'up', 'down'), /takes one word/);
  assert.match(await services.fail({}, 'up', '--shape', 'round'), /--shape must be single or fleet/);
  assert.match(await services.fail({}, 'down', '--only', 'mongo'), /--only must be redis or kafka/);
  const { stdout } = await services.succeed('status');
  assert.equal(stdout, 'nothing was started here; begin with: ./fraud services up\n');
});

/** The verb with this folder; what it started ends with the test. */
function servicesIn(t: TestContext, folder: string) {
  const run = (environment: Readonly<Record<string, string>>, words: readonly string[]) =>
    runVerbIn({ ...UNNAMED, ...environment }, 'services', ...words, '--dir', folder);
  const succeedWith = async (environment: Readonly<Record<string, string>>, ...words: string[]) => {
    const result = await run(environment, words);
    assert.equal(result.code, 0, result.stderr);
    return result;
  };
  const succeed = (...words: string[]) => succeedWith({}, ...words);
  undoAtEnd(t, () => succeed('down'));
  return {
    succeed,
    succeedWith,
    /** @returns what it said */
    fail: async (environment: Readonly<Record<string, string>>, ...words: string[]) => {
      const { code, stderr } = await run(environment, words);
      assert.ok(code === 1 || code === 2, `exit code ${code}`);
      return stderr;
    },
    servers: async (): Promise<readonly ServerStatus[]> =>
      JSON.parse((await succeed('status', '--json')).stdout).servers,
  };
}

function variablesIn(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(/^export (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
  );
}

function redisOf({ REDIS_HOST, REDIS_PORT }: Readonly<Record<string, string>>) {
  return { host: REDIS_HOST, port: Number(REDIS_PORT) };
}
