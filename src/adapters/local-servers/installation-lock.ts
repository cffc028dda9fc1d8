import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const SQLITE_BUSY = 5;
const POLL_MS = 200;
/** Longer than any download that still comes to an end. */
const WAIT_MAX_MS = 10 * 60_000;

/** Does the work while no other process holds this lock. The kernel frees it when its holder dies. */
export async function withLock<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const lock = new DatabaseSync(path);
  try {
    await take(lock);
    return await work();
  } finally {
    lock.close();
  }
}

async function take(lock: DatabaseSync): Promise<void> {
  const untilMs = performance.now() + WAIT_MAX_MS;
  while (true) {
    try {
      lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return;
    } catch (error) {
      const isBusy = (error as { errcode?: number }).errcode === SQLITE_BUSY;
      if (!isBusy || performance.now() > untilMs) throw error;
      await delay(POLL_MS);
    }
  }
}
