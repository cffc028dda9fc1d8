import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from './command.ts';
import { commandHelp, overviewHelp } from './help.ts';

const COMMAND: Command = {
  name: 'bake',
  summary: 'bakes bread',
  usage: 'FLOUR... --out FILE',
  help: `
Bakes bread of flour.

  ./fraud bake rye --out bread.txt
`,
  options: {
    out: { value: 'FILE', description: 'where the bread goes' },
    loaves: { value: 'N', description: 'how many', default: '2' },
    seed: { value: 'NAME', description: 'what is on it', isRepeatable: true, default: 'poppy' },
    crisp: { description: 'until it cracks' },
  },
  run: async () => {},
};

test('the help of a verb shows how it is called, teaches it, and has a line an option', () => {
  assert.equal(
    commandHelp(COMMAND),
    `fraud bake FLOUR... --out FILE

Bakes bread of flour.

  ./fraud bake rye --out bread.txt

Options
  --out FILE   where the bread goes
  --loaves N   how many (default 2)
  --seed NAME  what is on it (default poppy) (repeatable)
  --crisp      until it cracks
  --help       this text
`,
  );
});

test('the help of a verb without options or words has --help', () => {
  assert.equal(
    commandHelp({ ...COMMAND, usage: '', options: {}, help: 'Bakes.' }),
    'fraud bake\n\nBakes.\n\nOptions\n  --help  this text\n',
  );
});

test('the overview has a line a verb, in their order, one below the other', () => {
  const text = overviewHelp([COMMAND, { ...COMMAND, name: 'eat', summary: 'eats it' }]);
  assert.match(text, /^fraud: real-time payment fraud detection\n/);
  assert.ok(text.endsWith('\nVerbs\n  bake  bakes bread\n  eat   eats it\n'), text);
});
