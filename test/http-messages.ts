/** Messages that tests send. */

/** A good transaction; members that are undefined are left out. */
export function transactionMessage(id: string, members: Readonly<Record<string, unknown>> = {}) {
  return {
    transaction_id: id,
    user_id: 'u-1',
    terminal_id: 'm-1',
    amount: 42.5,
    merchant_category: 'grocery',
    is_international: false,
    timestamp: '2026-03-02T10:00:00.000Z',
    ...members,
  };
}

/** The timestamp that is this many seconds after the one of `transactionMessage`. */
export function later(seconds: number): string {
  return new Date(Date.UTC(2026, 2, 2, 10) + seconds * 1000).toISOString();
}

export const DAY_SECONDS = 86_400;
