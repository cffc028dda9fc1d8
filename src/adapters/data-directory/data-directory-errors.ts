/** Another living process holds the directory; it is named, so that a person can find and stop it. */
export class DataDirectoryInUseError extends Error {
  readonly code = 'data-directory-in-use';

  constructor(path: string, owner: string, options?: ErrorOptions) {
    super(`data directory ${path} is in use by ${owner}`, options);
  }
}

/** The path cannot be our data directory: it is a file, not ours to write, or something else's. */
export class DataDirectoryUnusableError extends Error {
  readonly code = 'data-directory-unusable';

  constructor(path: string, why: string, options?: ErrorOptions) {
    super(`data directory ${path} ${why}`, options);
  }
}
