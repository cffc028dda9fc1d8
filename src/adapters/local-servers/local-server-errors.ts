/** A program or a package that local servers need is not here and cannot be had; the message says what to install. */
export class MissingProgramError extends Error {
  readonly code = 'missing-program';
}

/** A server ended, or gave no answer in time; the message ends with what it logged last. */
export class ServerNotStartedError extends Error {
  readonly code = 'server-not-started';
}

/** A server keeps its ports as long as its folder exists, and now another program listens on one of them. */
export class PortTakenError extends Error {
  readonly code = 'port-taken';
}

/** A program that was to end well, like openssl or Maven, did not; the message has its words. */
export class ProgramFailedError extends Error {
  readonly code = 'program-failed';
}

/** A server named by the environment gives no answer. */
export class ServerSilentError extends Error {
  readonly code = 'server-silent';
}
