/** A file of rows is not there, not readable, or not of the shape that was asked for. The message says which and why. */
export class TableFileError extends Error {
  readonly code = 'table-file';
  readonly path: string;

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'TableFileError';
    this.path = path;
  }
}

/**
 * DuckDB's complaint about a file, as ours. Only the first line is kept, and no cause: the lines below quote the file's
 * own rows.
 */
export function unreadable(path: string, error: unknown): TableFileError {
  const [reason] = error instanceof Error ? error.message.split('\n') : [String(error)];
  return new TableFileError(path, `cannot be read: ${reason}`);
}
