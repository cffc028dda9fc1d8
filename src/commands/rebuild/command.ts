import { openDataDirectory } from '../../adapters/data-directory/data-directory.ts';
import { LmdbView } from '../../adapters/lmdb/lmdb-view.ts';
import type { RedisSettings } from '../../adapters/redis/redis-settings.ts';
import { RedisStores } from '../../adapters/redis/redis-stores.ts';
import { openSegmentLog } from '../../adapters/segment-log/segment-log.ts';
import type { EngineSettings } from '../../assembly/engine.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import { SharedViewsBuilder } from '../../assembly/rebuild-shared.ts';
import { environmentWith } from '../../assembly/service-process.ts';
import { readServiceSettings } from '../../assembly/service-settings.ts';
import { readWholeLog } from '../../assembly/whole-log.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { catchUp } from '../../pipeline/view.ts';

export const command: Command = {
  name: 'rebuild',
  summary: 'makes the views again from the log',
  usage: '[--data-dir DIR]',
  help: `
Empties the feature store and the decision index and fills them again from the event log, which is the truth. For when
the views are lost or in doubt; services must be stopped. Interrupted, it has to be run again; an embedded service also goes
on by itself at its next start.

With REDIS_HOST set it is Redis that is emptied and filled, from the topics of KAFKA_BOOTSTRAP_SERVERS, or without that from
the log in the data directory.`,
  options: {
    'data-dir': { value: 'DIR', description: 'folder of the event log (default data)' },
    json: { description: 'print the result as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const { engine } = readServiceSettings(environmentWith(arguments_), ROOT, { command: 'fraud rebuild' });
  const startedAtMs = performance.now();
  const { redis } = engine;
  const rebuilt = redis ? await rebuildShared({ ...engine, redis }) : await rebuildEmbedded(engine);
  const seconds = (performance.now() - startedAtMs) / 1000;
  process.stdout.write(
    arguments_.has('json')
      ? `${JSON.stringify({ ...rebuilt, seconds })}\n`
      : `${rebuilt.events} events applied in ${seconds.toFixed(1)} s; the views in ${rebuilt.where} are whole\n`,
  );
}

async function rebuildEmbedded({ dataDirectory, command: name }: EngineSettings) {
  await using directory = await openDataDirectory(dataDirectory, { command: name });
  await using log = await openSegmentLog(directory.logPath);
  await using view = await LmdbView.open(directory.viewsPath, log);
  await view.empty();
  using progress = new Progress('rebuild');
  const events = await catchUp(view, log, (position) => progress.report(position, log.durableEnd, 'bytes'));
  await view.flush();
  return { events, where: directory.viewsPath };
}

async function rebuildShared({ redis, ...engine }: EngineSettings & { readonly redis: RedisSettings }) {
  await using stores = await RedisStores.open(redis);
  await stores.restorer.removeAll();
  const builder = new SharedViewsBuilder(stores);
  using progress = new Progress('rebuild');
  for await (const events of readWholeLog(engine, (done, total) => progress.report(done, total, 'events')))
    await builder.take(events);
  const result = await builder.finish((histories, total) => progress.report(histories, total, 'histories'));
  return { ...result, where: `Redis at ${redis.host}:${redis.port}` };
}
