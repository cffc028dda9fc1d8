import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VERBS } from '../verbs.ts';
import { Arguments, type Command, UsageError } from './command.ts';

const COMMAND: Command = {
  name: 'bake',
  summary: 'bakes bread',
  usage: 'FLOUR... [--out FILE]',
  help: 'Bakes.',
  options: {
    out: { value: 'FILE', description: 'where the bread goes' },
    loaves: { value: 'N', description: 'how many', default: '2' },
    seed: { value: 'NAME', description: 'what is on it', isRepeatable: true },
    crisp: { description: 'until it cracks' },
  },
  takesWords: true,
  run: async () => {},
};
const { takesWords: _takesWords, ...withoutWords } = COMMAND;
const parse = (...words: string[]) => Arguments.parse(words, COMMAND);

describe('words behind a verb', () => {
  test('are options with values, switches, repeated options, and words', () => {
    const arguments_ = parse('rye', '--out', 'b.txt', '--seed', 'poppy', '--crisp', 'oat', '--seed=sesame');
    assert.deepEqual(arguments_.positionals, ['rye', 'oat']);
    assert.equal(arguments_.text('out'), 'b.txt');
    assert.equal(arguments_.required('out'), 'b.txt');
    assert.deepEqual(arguments_.texts('seed'), ['poppy', 'sesame']);
    assert.equal(arguments_.has('crisp'), true);
  });

  test('that are not there are their defaults, or nothing', () => {
    const arguments_ = parse();
    assert.deepEqual(arguments_.positionals, []);
    assert.equal(arguments_.text('out'), undefined);
    assert.equal(arguments_.text('loaves'), '2');
    assert.equal(arguments_.required('loaves'), '2');
    assert.deepEqual(arguments_.texts('seed'), []);
    assert.equal(arguments_.has('crisp'), false);
  });

  test('may have values that are empty, begin with a dash, or have an equals sign', () => {
    assert.equal(parse('--out=').required('out'), '');
    assert.equal(parse('--out=-').required('out'), '-');
    assert.equal(parse('--out=--loaves').required('out'), '--loaves');
    assert.equal(parse('--out', 'a=b=c').required('out'), 'a=b=c');
  });

  test('of an option that stands twice count last', () => {
    assert.equal(parse('--out', 'first', '--out', 'second').text('out'), 'second');
  });

  test('behind two dashes are words', () => {
    assert.deepEqual(parse('--', '--out', '-x').positionals, ['--out', '-x']);
  });

  test('that are options in any order come out as they went in', () => {
    const value = fc.string({ unit: 'grapheme-ascii' });
    const property = fc.property(value, fc.array(value), fc.boolean(), (out, seeds, isCrisp) => {
      const words = [
        `--out=${out}`,
        ...seeds.map((seed) => `--seed=${seed}`),
        ...(isCrisp ? ['--crisp'] : []),
      ];
      for (const order of [words, words.toReversed()]) {
        const arguments_ = parse(...order);
        assert.equal(arguments_.text('out'), out);
        assert.deepEqual(arguments_.texts('seed').toSorted(), seeds.toSorted());
        assert.equal(arguments_.has('crisp'), isCrisp);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  const refused: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [['--ut', 'x'], /^Unknown option '--ut'$/],
    [['-o', 'x'], /^Unknown option '-o'$/],
    [['--no-crisp'], /^Unknown option '--no-crisp'$/],
    [['--__proto__=1'], /^Unknown option '--__proto__'$/],
    [['--constructor'], /^Unknown option '--constructor'$/],
    [['--out'], /^Option '--out <value>' argument missing$/],
    [['--crisp=yes'], /^Option '--crisp' does not take an argument$/],
    [['--out', '--crisp'], /^Option '--out' argument is ambiguous/],
  ];
  for (const [words, says] of refused) {
    test(`${words.join(' ')} is refused by name`, () => assert.throws(() => parse(...words), isUsage(says)));
  }

  test('are refused by a verb that takes none, which says what it takes', () => {
    assert.deepEqual(Arguments.parse(['--crisp'], withoutWords).positionals, []);
    assert.throws(
      () => Arguments.parse(['--crisp', 'rye', 'oat'], withoutWords),
      isUsage(/^fraud bake takes no word "rye"; its options are --out, --loaves, --seed, --crisp$/),
    );
  });
});

test('what is required and missing is named with what it is for', () => {
  assert.throws(() => parse().required('out'), isUsage(/^--out is missing: where the bread goes$/));
  assert.throws(() => parse().wholeNumber('out', 1, 9), isUsage(/^--out is missing: where the bread goes$/));
});

describe('a whole number', () => {
  for (const [text, number] of [
    ['1', 1],
    ['99', 99],
    ['007', 7],
  ] as const) {
    test(`${text} is ${number}`, () =>
      assert.equal(parse('--loaves', text).wholeNumber('loaves', 1, 99), number));
  }

  test('is the default’s where the option is not there', () =>
    assert.equal(parse().wholeNumber('loaves', 0, 9), 2));

  for (const text of [
    '0',
    '100',
    '',
    ' 1',
    '1 ',
    '1.0',
    '1e1',
    '+1',
    '-1',
    '0x1',
    '1_0',
    'one',
    'NaN',
    'Infinity',
    '9'.repeat(400),
  ]) {
    test(`from 1 to 99 is not ${JSON.stringify(text.slice(0, 10))}`, () => {
      const says = `--loaves must be a whole number from 1 to 99, not "${text}"`;
      assert.throws(
        () => parse(`--loaves=${text}`).wholeNumber('loaves', 1, 99),
        (error) => error instanceof UsageError && error.message === says,
      );
    });
  }
});

test('every verb that shows words behind it takes them, and no other does', async () => {
  for (const load of Object.values(VERBS)) {
    const { name, usage, takesWords = false } = await load();
    const besideOptions = usage.replaceAll(/--[\w-]+( [A-Z][^\s\]]*)?/g, '').replaceAll(/[[\]\s]/g, '');
    assert.equal(takesWords, besideOptions !== '', `fraud ${name} ${usage}`);
  }
});

function isUsage(says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UsageError && error.code === 'usage', String(error));
    assert.match(error.message, says);
    return true;
  };
}
