import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransactionMix } from './transaction-mix.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const url = new URL('http://127.0.0.1:8000/predict');

function payments(options: { readonly seed: number; readonly run: string; readonly count: number }) {
  const mix = createTransactionMix({ ...options, url });
  return Array.from({ length: options.count }, (_, sequence) => {
    const request = mix(sequence, NOW_MS + sequence);
    const [head, body] = request.text.split('\r\n\r\n') as [string, string];
    return { head, body, id: request.transactionId, payment: JSON.parse(body) };
  });
}

test('a request states its own length and carries its own id and time', () => {
  for (const { head, body, id, payment } of payments({ seed: 1, run: 'r', count: 1_000 })) {
    assert.match(head, /^POST \/predict HTTP\/1\.1\r\nHost: 127\.0\.0\.1:8000\r\n/);
    assert.equal(Number(/Content-Length: (\d+)/.exec(head)?.[1]), Buffer.byteLength(body));
    assert.equal(payment.transaction_id, id);
  }
  const [first, second] = payments({ seed: 1, run: 'r', count: 2 });
  assert.equal(first?.payment.timestamp, '2026-01-02T03:04:05.678Z');
  assert.equal(second?.payment.timestamp, '2026-01-02T03:04:05.679Z');
});

test('the same seed gives the same payments, another seed others, and a run its own ids', () => {
  const bodies = (seed: number) => payments({ seed, run: 'r', count: 100 }).map(({ body }) => body);
  assert.deepEqual(bodies(7), bodies(7));
  assert.notDeepEqual(bodies(7), bodies(8));
  const ids = ['a', 'b'].flatMap((run) => payments({ seed: 1, run, count: 100 }).map(({ id }) => id));
  assert.equal(new Set(ids).size, 200);
});

test('the mix is as described', () => {
  const all = payments({ seed: 3, run: 'r', count: 20_000 }).map(({ payment }) => payment);
  const international = all.filter((payment) => payment.is_international).length / all.length;
  const logs = all.map((payment) => Math.log(payment.amount)).toSorted((one, other) => one - other);
  assert.ok(Math.abs(international - 0.1) < 0.01, `international: ${international}`);
  assert.ok(logs[0]! > 1.99 && logs.at(-1)! < 7.01);
  assert.ok(Math.abs(logs[10_000]! - 4.5) < 0.05, `median of ln(amount): ${logs[10_000]}`);
  assert.ok(all.every((payment) => Math.round(payment.amount * 100) / 100 === payment.amount));
  assert.equal(new Set(all.map((payment) => payment.merchant_category)).size, 8);
  const users = new Set(all.map((payment) => payment.user_id)).size;
  assert.ok(users > 8_000 && users <= 10_000, `users: ${users}`);
});
