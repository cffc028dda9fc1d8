/**
 * As much of HTTP/1.1 as a load needs to judge an answer: the status, and a body whose length the head states.
 * Everything else (chunked bodies, several answers in a row) is a failure of its own name, never a guess.
 */

/** Why an exchange counts as failed; `status-…` carries the code. */
export type Failure = 'connection' | 'timeout' | 'protocol' | 'body' | `status-${number}`;

/** `protocol` means that what follows on the connection cannot be trusted either. */
export type Verdict = 'incomplete' | 'right' | Failure;

/** An answer has at most a few hundred bytes; more than this without an end is no answer of ours. */
const ANSWER_MAX_CHARACTERS = 65_536;
const HEAD_END = '\r\n\r\n';
const STATUS_AT = 'HTTP/1.1 '.length;

/** Judges all that was received for one request, one character a byte. */
export function parseAnswer(received: string, transactionId: string): Verdict {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return received.length > ANSWER_MAX_CHARACTERS ? 'protocol' : 'incomplete';
  const contentLength = /\r\ncontent-length: *(\d+)\r\n/i.exec(received)?.[1];
  if (!received.startsWith('HTTP/1.1 ') || contentLength === undefined) return 'protocol';

  const bodyStart = headEnd + HEAD_END.length;
  const missing = bodyStart + Number(contentLength) - received.length;
  if (missing > 0) return received.length > ANSWER_MAX_CHARACTERS ? 'protocol' : 'incomplete';
  if (missing < 0) return 'protocol';
  return judge(received, bodyStart, transactionId);
}

function judge(received: string, bodyStart: number, transactionId: string): Verdict {
  const status = Number(received.slice(STATUS_AT, STATUS_AT + 3));
  if (status !== 200) return `status-${status}`;
  const isRight =
    received.includes(transactionId, bodyStart) && received.includes('"fraud_probability"', bodyStart);
  return isRight ? 'right' : 'body';
}
