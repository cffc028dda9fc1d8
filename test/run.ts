/**
 * Runs every test of the repository with node:test: those beside the code, and those in test/ that go through the real
 * doors. With arguments, only the files whose path contains one of them.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const wanted = process.argv.slice(2);
const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'], { cwd: root }).sort();
const chosen =
  wanted.length === 0 ? files : files.filter((file) => wanted.some((part) => file.includes(part)));
if (chosen.length === 0) {
  process.stderr.write(`no test file matches ${wanted.join(' ')}\n`);
  process.exit(2);
}
const options = ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec'];
const { status } = spawnSync(process.execPath, [...options, ...chosen], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
