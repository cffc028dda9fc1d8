import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from './key-slot.ts';

test('a key is in the slot that the Redis Cluster specification gives it', () => {
  assert.equal(slotOf('123456789'), 0x31c3);
  assert.equal(slotOf(''), 0);
  assert.equal(slotOf('foo'), 12_182);
});

test('braces around something say what counts of a key; the first ones, and not empty ones', () => {
  assert.equal(slotOf('user:{u7}'), slotOf('u7'));
  assert.equal(slotOf('user:{u7}:{u8}'), slotOf('u7'));
  assert.equal(slotOf('a{b{c}d'), slotOf('b{c'));
  assert.notEqual(slotOf('user:{}u7'), slotOf('u7'));
  assert.notEqual(slotOf('user:{}u7'), slotOf(''));
  assert.notEqual(slotOf('user:}u{7'), slotOf('u'));
});
