import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createCluster } from 'redis';
import { undoAtEnd } from '../../../test/start-service.ts';
import { askRedis } from './redis-server.ts';
import { startRedisCluster } from './servers.fixture.ts';

/** The node timeout of a second, an election, and this machine's other work. */
const FAILOVER_WITHIN_MS = 15_000;

test('a Redis Cluster of six nodes', async (t) => {
  const cluster = await startRedisCluster(t);
  if (cluster === undefined) return;
  const { addresses, servers, findMasters } = cluster;
  const client = createCluster({ rootNodes: addresses.map((socket) => ({ socket })) });
  client.on('error', () => {});
  await client.connect();
  undoAtEnd(t, () => client.destroy());

  await t.test('serves all slots from three masters, each with a replica', async () => {
    assert.equal((await findMasters()).length, 3);
    for (let key = 0; key < 30; key++) await client.set(`key-${key}`, String(key));
    for (let key = 0; key < 30; key++) assert.equal(await client.get(`key-${key}`), String(key));
  });

  await t.test('gives the work of a master that was killed to its replica', async () => {
    const [master, ...others] = await findMasters();
    await master.kill();
    const startedAtMs = performance.now();
    const survivors = servers.nodes.filter((node) => node !== master);
    while (
      (await findMasters()).length < 3 ||
      !(await areAllOk(survivors.map(({ recipe }) => recipe.port)))
    ) {
      assert.ok(performance.now() - startedAtMs < FAILOVER_WITHIN_MS, 'nobody took over');
      await delay(50);
    }
    t.diagnostic(`taken over in ${Math.round(performance.now() - startedAtMs)} ms`);
    const masters = await findMasters();
    assert.ok(others.every((other) => masters.includes(other)) && !masters.includes(master));
    await master.restart();
  });

  await t.test('is one cluster again after all nodes were stopped', async () => {
    await servers.restart();
    assert.equal((await findMasters()).length, 3);
    const { host, port } = addresses[0];
    assert.match(await askRedis({ host, port }, ['CLUSTER', 'INFO']), /cluster_slots_ok:16384/);
  });
});

async function areAllOk(ports: readonly number[]): Promise<boolean> {
  const infos = ports.map((port) => askRedis({ host: '127.0.0.1', port }, ['CLUSTER', 'INFO']));
  return (await Promise.all(infos)).every((info) => info.includes('cluster_state:ok'));
}
