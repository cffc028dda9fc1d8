import { readFileSync } from 'node:fs';

/** Linux reports process times in these units to every user space, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;

/**
 * CPU that a process has used so far, user and system, all its threads and those that ended; to 10 ms.
 * Source: proc_pid_stat(5), fields 14 and 15.
 */
export function readProcessCpuMs(pid: number): number {
  return parseProcessCpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** The same of the process's first thread, on which Node runs JavaScript. */
export function readMainThreadCpuMs(pid: number): number {
  return parseProcessCpuMs(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8'));
}

/** The second field is the command's name in parentheses and may hold anything: count from its end. */
export function parseProcessCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ticks)) throw new Error('not the content of /proc/PID/stat');
  return (ticks * 1_000) / TICKS_PER_SECOND;
}
