/** Errors as RFC 9457 problem details: one place where everything that can go wrong becomes an HTTP answer. */
import { ContractError } from '../../core/transaction/contract-error.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import {
  OverloadedError,
  ScoringFailedError,
  StoreUnavailableError,
} from '../../pipeline/pipeline-errors.ts';

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The member that broke a rule, where one did. */
  readonly member?: string;
};

/** Seconds after which to try again. */
export const RETRY_AFTER_SECONDS = '1';

/** What a request asks for cannot be given. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export const CONFLICT: Problem = problem(
  409,
  'transaction-id-conflict',
  'Transaction id taken',
  'another transaction was decided under this transaction_id',
);

/** The problem that an error is to the caller; an error we did not foresee says nothing of its inside. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ContractError) {
    const { member } = error;
    return { ...problem(422, error.code, 'Not a message of this service', error.message), member };
  }
  if (error instanceof RequestError)
    return problem(error.status, error.code, titleOf(error.status), error.message);
  if (error instanceof OverloadedError) {
    return problem(503, error.code, 'Overloaded', 'more transactions wait than can be answered in time');
  }
  if (error instanceof LogUnavailableError) {
    return problem(
      503,
      error.code,
      'Log unavailable',
      'decisions cannot be made durable now, so none are made',
    );
  }
  if (error instanceof StoreUnavailableError) {
    return problem(503, error.code, 'Store unavailable', 'what this needs cannot be looked up now');
  }
  if (error instanceof ScoringFailedError) return problem(503, error.code, 'Scoring failed', error.message);
  return (
    fromFramework(error) ??
    problem(500, 'internal', 'Internal error', 'the service made a mistake; its log says more')
  );
}

export function problem(status: number, code: string, title: string, detail: string): Problem {
  return { type: `urn:fraud-detection:problem:${code}`, title, status, detail };
}

const FRAMEWORK_DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'the body is larger than this path takes',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'the content type must be application/json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the body is not as long as Content-Length says',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'the body is empty',
  FST_ERR_MAX_PARAM_LENGTH: 'the path is longer than any transaction_id',
  FST_ERR_BAD_URL: 'the path is not a valid URL path',
};

function fromFramework(error: unknown): Problem | undefined {
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (typeof code !== 'string' || typeof statusCode !== 'number' || statusCode >= 500) return undefined;
  const detail = FRAMEWORK_DETAILS[code] ?? 'the request cannot be read';
  return problem(
    statusCode,
    code.replace('FST_ERR_', '').toLowerCase().replaceAll('_', '-'),
    titleOf(statusCode),
    detail,
  );
}

function titleOf(status: number): string {
  const titles: Readonly<Record<number, string>> = {
    400: 'Bad request',
    404: 'Not found',
    405: 'Method not allowed',
    413: 'Body too large',
    415: 'Unsupported content type',
    422: 'Not a message of this service',
  };
  return titles[status] ?? 'Bad request';
}
