/** A real file system of a few MB, which tests fill up. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export type SmallDisk = Disposable & { readonly path: string };

/** Undefined, and the test skipped, where we may not mount one; in CI that fails. Nothing may be open on it at the end. */
export function mountDisk(
  t: TestContext,
  { bytes, isReadOnly = false }: { readonly bytes: number; readonly isReadOnly?: boolean },
): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'fraud-test-disk-'));
  const options = `size=${bytes}${isReadOnly ? ',ro' : ''}`;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(path);
    if (process.env.CI === 'true') throw error;
    t.skip(`NOT TESTED HERE, for want of the right to mount a small disk: ${error}`);
    return undefined;
  }
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [path]);
      rmdirSync(path);
    },
  };
}
