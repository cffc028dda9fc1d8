/** Writes that really fail: the kernel's limit on the size of this process's files, which refuses as a full disk does. */
import { execFileSync } from 'node:child_process';
import type { TestContext } from 'node:test';

let isSignalCaught = false;

/**
 * Until disposed, this process cannot write to any file at or beyond `bytes`; the error is EFBIG. Undefined, and the
 * test skipped, where limits cannot be set.
 */
export function refuseWritesBeyond(bytes: number, t: TestContext): Disposable | undefined {
  if (!isSignalCaught) process.on('SIGXFSZ', () => {});
  isSignalCaught = true;
  try {
    limit(String(bytes));
  } catch (error) {
    t.skip(`NOT TESTED HERE: failing writes, for want of prlimit: ${error}`);
    return undefined;
  }
  const allow = () => limit('unlimited');
  t.after(allow);
  return { [Symbol.dispose]: allow };
}

/** The soft limit only, so that it can be raised again. */
function limit(fileSize: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${fileSize}:`], { stdio: 'pipe' });
}
