import { resolve } from 'node:path';
import { openDataDirectory } from '../../adapters/data-directory/data-directory.ts';
import { LmdbView } from '../../adapters/lmdb/lmdb-view.ts';
import { openSegmentLog } from '../../adapters/segment-log/segment-log.ts';
import { DEFAULT_DATA_DIRECTORY } from '../../assembly/engine-options.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { catchUp } from '../../pipeline/view.ts';

export const command: Command = {
  name: 'rebuild',
  summary: 'makes the views again from the log',
  usage: '[--data-dir DIR]',
  help: `
Empties the feature store and the decision index and fills them again from the event log, which is the truth. For when
the views are lost or in doubt; the service must be stopped. Interrupted, it goes on where it was at the next start.`,
  options: {
    'data-dir': { value: 'DIR', description: 'folder of the event log (default data)' },
    json: { description: 'print the result as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const path = resolve(arguments_.text('data-dir') ?? DEFAULT_DATA_DIRECTORY);
  await using directory = await openDataDirectory(path, { command: 'fraud rebuild' });
  await using log = await openSegmentLog(directory.logPath);
  await using view = await LmdbView.open(directory.viewsPath, log);
  await view.empty();
  using progress = new Progress('rebuild');
  const startedAtMs = performance.now();
  const events = await catchUp(view, log, (position) => progress.report(position, log.durableEnd, 'bytes'));
  await view.flush();
  const seconds = (performance.now() - startedAtMs) / 1000;
  const text = `${events} events applied in ${seconds.toFixed(1)} s; the views in ${directory.viewsPath} are whole\n`;
  process.stdout.write(arguments_.has('json') ? `${JSON.stringify({ events, seconds })}\n` : text);
}
