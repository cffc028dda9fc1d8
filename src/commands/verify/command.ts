import { ControlsOfLog } from '../../assembly/controls-of-log.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import { readLogInOrder } from '../../assembly/ordered-log.ts';
import { environmentWith } from '../../assembly/service-process.ts';
import { readServiceSettings } from '../../assembly/service-settings.ts';
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
anything differs.

With KAFKA_BOOTSTRAP_SERVERS set it reads the topics, which several processes have written: all events are held in memory and
put in the order that their positions in the histories tell. Retention must not have taken the first of them.`,
  options: {
    'data-dir': { value: 'DIR', description: 'folder of the event log (default data)' },
    'models-dir': { value: 'DIR', description: 'folder of the model folders (default models)' },
    json: { description: 'print the result as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const { engine } = readServiceSettings(environmentWith(arguments_), ROOT, { command: 'fraud verify' });
  const controls = new ControlsOfLog(engine.modelsDirectory);
  const verifier = new Verifier((version) => controls.find(version));
  using progress = new Progress('verify');
  for await (const { event, place } of readLogInOrder(engine, 'verify')) {
    if (event.kind === 'control') await controls.add(event.control);
    else await verifier.verify(event, place);
    progress.report(verifier.result.decisions, undefined, 'decisions');
  }
  const { result } = verifier;
  process.stdout.write(arguments_.has('json') ? `${JSON.stringify(result)}\n` : describe(result));
  if (result.differing > 0) process.exitCode = 1;
}

function describe({ decisions, labels, differing, first }: Verification): string {
  const counts = `${decisions} decisions and ${labels} labels read, ${differing} decisions differ\n`;
  if (!first) return counts;
  const { transactionId, place, member, logged, computed } = first;
  return `${counts}first: ${transactionId} at ${place}: ${member}
  logged   ${logged}
  computed ${computed}
`;
}
