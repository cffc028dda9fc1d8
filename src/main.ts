/** The command line: finds the verb, checks its words, and turns what goes wrong into a sentence and an exit code. */
import { Arguments, type Command, UsageError } from './command-line/command.ts';
import { commandHelp, overviewHelp } from './command-line/help.ts';
import { VERBS } from './verbs.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Errors about what was typed, wherever it was found to be wrong. */
const USAGE_CODES: ReadonlySet<unknown> = new Set([
  'usage',
  'member-mapping',
  'unknown-feature',
  'simulate-option',
]);

async function main(words: readonly string[]): Promise<void> {
  const [verb, ...rest] = words;
  if (verb === undefined || verb === '--help' || verb === '-h' || verb === 'help') {
    const commands = await Promise.all(Object.values(VERBS).map((load) => load()));
    process.stdout.write(overviewHelp(commands));
    return;
  }
  const command = await loadCommand(verb);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(commandHelp(command));
    return;
  }
  await command.run(Arguments.parse(rest, command));
}

async function loadCommand(verb: string): Promise<Command> {
  if (Object.hasOwn(VERBS, verb)) return VERBS[verb]();
  throw new UsageError(`there is no verb "${verb}"; there are ${Object.keys(VERBS).join(', ')}`);
}

/** An operating error has a code of ours and a message for people; anything else is our mistake and shows its stack. */
function fail(error: unknown): void {
  const { code } = error as { code?: unknown };
  const isOperating = error instanceof Error && typeof code === 'string';
  const text = isOperating ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`fraud: ${text}\n`);
  process.exitCode = USAGE_CODES.has(code) ? EXIT_USAGE : EXIT_FAILED;
}

await main(process.argv.slice(2)).catch(fail);
