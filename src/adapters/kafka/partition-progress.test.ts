import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PartitionProgress } from './partition-progress.ts';

describe('progress of a partition', () => {
  test('is the first offset that is not done, in whatever order they become so', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 60 });
    const property = fc.property(gaps, fc.infiniteStream(fc.nat()), (gaps, choices) => {
      const progress = new PartitionProgress(10);
      let offset = 9;
      const handedOut = gaps.map((gap) => {
        offset += gap;
        progress.handOut(offset);
        return offset;
      });
      const undone = [...handedOut];
      while (undone.length > 0) {
        progress.finish(undone.splice((choices.next().value as number) % undone.length, 1)[0]);
        const firstUndone = handedOut.find((it) => undone.includes(it));
        const lastDone = handedOut.filter((it) => firstUndone === undefined || it < firstUndone).at(-1);
        assert.equal(progress.committable, lastDone === undefined ? 10 : lastDone + 1);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('passes over offsets that were not handed out, and what there was nothing in', () => {
    const progress = new PartitionProgress(5);
    progress.finish(3);
    progress.finish(9);
    assert.equal(progress.committable, 5);
    progress.skipTo(8);
    assert.equal(progress.committable, 8);
    progress.handOut(8);
    progress.skipTo(20);
    assert.equal(progress.committable, 8);
    progress.finish(8);
    assert.equal(progress.committable, 9);
  });
});
