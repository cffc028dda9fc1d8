/** Reasons cost more than all else of a decision: a batch that has no time for them answers without, and says so. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { HttpClient } from './http-client.ts';
import { transactionMessage } from './http-messages.ts';
import { runVerb, runVerbIn, startService, temporaryDirectory } from './start-service.ts';

const PAYMENTS = 40;

test('without time, one decision of a batch has reasons, and the others are explained when asked', async (t) => {
  const dataDirectory = join(await temporaryDirectory(t), 'data');
  const service = await startService(t, { dataDirectory, environment: { REASONS_BUDGET_MS: '0' } });
  const transactions = Array.from({ length: PAYMENTS }, (_, index) =>
    transactionMessage(`t-${index}`, { user_id: `u-${index}`, amount: 5_000 + index }),
  );
  type Answer = { outcome: string; reason_codes: string[]; degraded: string[]; transaction_id: string };
  using client = new HttpClient(service.url, 1);
  const { json } = await client.post('/predict/batch', { transactions });
  const declined: Answer[] = json.decisions.filter(({ outcome }: Answer) => outcome !== 'approve');
  assert.ok(declined.length > PAYMENTS / 2, 'amounts as these are not approved');
  const [first, ...others] = declined;
  assert.ok(first.reason_codes.length > 0);
  assert.deepEqual(first.degraded, []);
  for (const { reason_codes, degraded } of others)
    assert.deepEqual([reason_codes, degraded], [[], ['decide']]);
  const report = (await client.get(`/decisions/${others[0].transaction_id}`)).json;
  assert.ok(report.reasons[0].text.length > 0);
  const metrics = (await client.get('/metrics')).text;
  assert.match(metrics, new RegExp(`^fraud_degraded_total\\{stage="decide"\\} ${others.length}$`, 'm'));
  await service.stop();
  const { stdout } = await runVerb('verify', '--data-dir', dataDirectory);
  assert.match(stdout, /, 0 decisions differ\n$/);
});

test('a budget that is no number is refused by name', async () => {
  const { code, stderr } = await runVerbIn({ REASONS_BUDGET_MS: 'plenty' }, 'verify');
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^fraud: REASONS_BUDGET_MS must be a number of milliseconds from 0 to 999999, not "plenty"\n$/,
  );
});
