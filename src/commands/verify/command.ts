import { resolve } from 'node:path';
import { locateDataDirectory } from '../../adapters/data-directory/data-directory.ts';
import { openSegmentLogReader } from '../../adapters/segment-log/segment-log-reader.ts';
import { ControlsOfLog } from '../../assembly/controls-of-log.ts';
import { DEFAULT_DATA_DIRECTORY, DEFAULT_MODELS_DIRECTORY } from '../../assembly/engine-options.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { Progress } from '../../command-line/progress.ts';
import { type Verification, Verifier } from '../../pipeline/verify.ts';

export const command: Command = {
  name: 'verify',
  summary: 'computes every decision of the log again and compares',
  usage: '[--data-dir DIR]',
  help: `
Reads the event log from its beginning, computes features, arm, score, outcome and answer of every decision again from
what was known then, and compares them bit for bit with what was answered. The service may be running. Exit code 1 if
anything differs.`,
  options: {
    'data-dir': { value: 'DIR', description: 'folder of the event log (default data)' },
    'models-dir': { value: 'DIR', description: 'folder of the model folders (default models)' },
    json: { description: 'print the result as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const directory = await locateDataDirectory(resolve(arguments_.text('data-dir') ?? DEFAULT_DATA_DIRECTORY));
  const log = openSegmentLogReader(directory.logPath);
  const controls = new ControlsOfLog(resolve(arguments_.text('models-dir') ?? DEFAULT_MODELS_DIRECTORY));
  const verifier = new Verifier((version) => controls.find(version));
  using progress = new Progress('verify');
  for await (const batch of log.read(0)) {
    for (const logged of batch) {
      if (logged.event.kind === 'control') await controls.add(logged.event.control);
      else await verifier.verify(logged);
    }
    progress.report(verifier.result.decisions, undefined, 'decisions');
  }
  process.stdout.write(
    arguments_.has('json') ? `${JSON.stringify(verifier.result)}\n` : describe(verifier.result),
  );
  if (verifier.result.differing > 0) process.exitCode = 1;
}

function describe({ decisions, labels, differing, first }: Verification): string {
  const counts = `${decisions} decisions and ${labels} labels read, ${differing} decisions differ\n`;
  if (!first) return counts;
  const { transactionId, position, member, logged, computed } = first;
  return `${counts}first: ${transactionId} at log position ${position}: ${member}
  logged   ${logged}
  computed ${computed}
`;
}
