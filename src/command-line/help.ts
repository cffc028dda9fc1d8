import type { Command, Option } from './command.ts';

/** The text of `fraud VERB --help`. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, help: HELP_OPTION });
  const rows = options.map(([name, option]) => [
    `--${name}${option.value ? ` ${option.value}` : ''}`,
    describe(option),
  ]);
  return [
    `fraud ${command.name} ${command.usage}`.trim(),
    '',
    command.help.trim(),
    '',
    'Options',
    table(rows),
    '',
  ].join('\n');
}

/** The text of `fraud --help`. */
export function overviewHelp(commands: readonly Command[]): string {
  return [
    'fraud: real-time payment fraud detection',
    '',
    '  ./fraud serve                answers payments on http://127.0.0.1:8000, with nothing to install',
    '  ./fraud VERB --help          teaches a verb',
    '',
    'Verbs',
    table(commands.map(({ name, summary }) => [name, summary])),
    '',
  ].join('\n');
}

const HELP_OPTION: Option = { description: 'this text' };

function describe({ description, default: standard, isRepeatable }: Option): string {
  return (
    description +
    (standard === undefined ? '' : ` (default ${standard})`) +
    (isRepeatable ? ' (repeatable)' : '')
  );
}

function table(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length)) + 2;
  return rows.map(([first, second]) => `  ${first.padEnd(width)}${second}`).join('\n');
}
