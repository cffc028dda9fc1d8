import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAnswer } from './http-answer.ts';

const BODY = '{"transaction_id":"run-1","fraud_probability":0.5}';

function answer(head: string, body = BODY): string {
  return `${head}\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`;
}

test('an answer is right with status 200, the id and a probability', () => {
  assert.equal(parseAnswer(answer('HTTP/1.1 200 OK'), 'run-1'), 'right');
});

test('every beginning of an answer is incomplete', () => {
  const whole = answer('HTTP/1.1 200 OK');
  for (let length = 0; length < whole.length; length++) {
    assert.equal(parseAnswer(whole.slice(0, length), 'run-1'), 'incomplete');
  }
});

test('what is wrong with an answer has a name', () => {
  assert.equal(parseAnswer(answer('HTTP/1.1 503 Service Unavailable'), 'run-1'), 'status-503');
  assert.equal(parseAnswer(answer('HTTP/1.1 200 OK'), 'run-2'), 'body');
  assert.equal(parseAnswer(answer('HTTP/1.1 200 OK', '{"transaction_id":"run-1"}'), 'run-1'), 'body');
  assert.equal(parseAnswer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'run-1'), 'protocol');
  assert.equal(parseAnswer(`${answer('HTTP/1.1 200 OK')}HTTP/1.1 200 OK`, 'run-1'), 'protocol');
  assert.equal(parseAnswer('x'.repeat(70_000), 'run-1'), 'protocol');
});

test('an id in the head is not an answer', () => {
  assert.equal(
    parseAnswer(answer('HTTP/1.1 200 OK\r\nX-Id: run-1', '{"fraud_probability":0}'), 'run-1'),
    'body',
  );
});
