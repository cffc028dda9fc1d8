import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { Progress } from './progress.ts';

const STARTED_AT_MS = 1_000_000;
const REWRITE = '\r\u001b[K';

describe('progress elsewhere than on a terminal', () => {
  test('is quiet for two seconds and then a line every five', (t) => {
    const { at, written } = standIn(t, false);
    using progress = new Progress('replay');
    for (let seconds = 0; seconds < 13; seconds += 0.5) {
      at(seconds);
      progress.report(seconds * 1000, 20_000, 'transactions');
    }
    assert.deepEqual(written(), [
      'replay: 2,000 of 20,000 (10 %) transactions, 1,000/s\n',
      'replay: 7,000 of 20,000 (35 %) transactions, 1,000/s\n',
      'replay: 12,000 of 20,000 (60 %) transactions, 1,000/s\n',
    ]);
  });

  test('shows the first report after the quiet, however late it comes', (t) => {
    const { at, written } = standIn(t, false);
    using progress = new Progress('rebuild');
    at(60);
    progress.report(3, undefined, 'events');
    assert.deepEqual(written(), ['rebuild: 3 events, 0/s\n']);
  });

  test('of work that ends early is nothing', (t) => {
    const { at, written } = standIn(t, false);
    {
      using progress = new Progress('verify');
      at(1.999);
      progress.report(1, 2, 'decisions');
    }
    assert.deepEqual(written(), []);
  });

  test('needs no total, and can do without a share of nothing', (t) => {
    const { at, written } = standIn(t, false);
    using progress = new Progress('verify');
    at(2);
    progress.report(10, undefined, 'decisions');
    at(8);
    progress.report(0, 0, 'decisions');
    assert.deepEqual(written(), ['verify: 10 decisions, 5/s\n', 'verify: 0 decisions, 0/s\n']);
  });

  test('never says that all is done before it is', (t) => {
    const { at, written } = standIn(t, false);
    using progress = new Progress('verify');
    at(10);
    progress.report(999_999, 1_000_000, 'decisions');
    assert.deepEqual(written(), ['verify: 999,999 of 1,000,000 (99 %) decisions, 100,000/s\n']);
  });
});

describe('progress on a terminal', () => {
  test('is one line that is rewritten five times a second, and goes at the end', (t) => {
    const { at, written } = standIn(t, true);
    {
      using progress = new Progress('replay');
      for (const seconds of [0, 1.9, 2, 2.1, 2.25, 2.5]) {
        at(seconds);
        progress.report(10, 100, 'rows');
      }
    }
    assert.deepEqual(written(), [
      `${REWRITE}replay: 10 of 100 (10 %) rows, 5/s`,
      `${REWRITE}replay: 10 of 100 (10 %) rows, 4/s`,
      `${REWRITE}replay: 10 of 100 (10 %) rows, 4/s`,
      REWRITE,
    ]);
  });

  test('leaves the terminal alone where nothing was shown', (t) => {
    const { written } = standIn(t, true);
    {
      using progress = new Progress('replay');
      progress.report(1, 2, 'rows');
    }
    assert.deepEqual(written(), []);
  });
});

/** The clock and standard error, as the test says they are. */
function standIn(t: TestContext, isTerminal: boolean) {
  let nowMs = STARTED_AT_MS;
  t.mock.method(performance, 'now', () => nowMs);
  const { mock } = t.mock.method(process.stderr, 'write', () => true);
  const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
  Object.defineProperty(process.stderr, 'isTTY', { value: isTerminal, configurable: true });
  t.after(() => {
    if (before) Object.defineProperty(process.stderr, 'isTTY', before);
    else Reflect.deleteProperty(process.stderr, 'isTTY');
  });
  return {
    at: (seconds: number) => {
      nowMs = STARTED_AT_MS + seconds * 1000;
    },
    written: () => mock.calls.map(({ arguments: [text] }: { arguments: unknown[] }) => text),
  };
}
