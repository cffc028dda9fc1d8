import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compatibilityPartitioner } from '@platformatic/kafka';
import fc from 'fast-check';
import { murmur2, partitionHash } from './partition.ts';

/** Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, `testMurmur2`. */
const VECTORS: readonly (readonly [key: string, hash: number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

describe('partitions', () => {
  test('murmur2 equals the vectors of Kafka’s own test', () => {
    for (const [key, hash] of VECTORS) assert.equal(murmur2(key), hash, key);
  });

  test('are those of the library’s partitioner for Java clients', () => {
    const property = fc.property(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 128 }), (key) => {
      const message = { topic: 'any', value: Buffer.alloc(0) };
      assert.equal(partitionHash(key), compatibilityPartitioner(message, Buffer.from(key, 'latin1')));
    });
    fc.assert(property, { numRuns: 500 });
  });
});
