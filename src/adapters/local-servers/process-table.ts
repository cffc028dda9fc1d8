/** What the system knows of a process: from /proc, or from ps where there is none. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const HAS_PROC = existsSync('/proc/self/cmdline');
const BYTES_PER_KIB = 1024;

/** Empty for a process that has ended, and already while it is ending. */
export function commandLineOf(pid: number): Promise<string> {
  return HAS_PROC ? readProc(pid, 'cmdline') : processColumn(pid, 'command');
}

/** What the process holds in memory; 0 for one that has ended. */
export async function residentBytesOf(pid: number): Promise<number> {
  const kib = HAS_PROC
    ? /^VmRSS:\s*(\d+) kB$/m.exec(await readProc(pid, 'status'))?.[1]
    : await processColumn(pid, 'rss');
  return Number(kib ?? 0) * BYTES_PER_KIB;
}

/**
 * Whether the process holds nothing more, no port and no file: there is none, or only its exit code that nobody has
 * asked for. A process whose first thread has ended may have others that have not.
 */
export async function hasEnded(pid: number): Promise<boolean> {
  if (!HAS_PROC) return /^(Z|$)/.test(await processColumn(pid, 'stat'));
  const status = await readProc(pid, 'status');
  if (status === '') return true;
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  return /^State:\s*[ZX]/m.test(status) && threads.length <= 1;
}

function readProc(pid: number, file: 'cmdline' | 'status'): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
}

async function processColumn(pid: number, column: 'rss' | 'command' | 'stat'): Promise<string> {
  const ended = { stdout: '' };
  const { stdout } = await execute('ps', ['-o', `${column}=`, '-p', String(pid)]).catch(() => ended);
  return stdout.trim();
}
