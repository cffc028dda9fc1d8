/** Resolves with the promise, or after so long without it. */
export async function untilConnected(connected: Promise<unknown>, withinMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, withinMs);
  await Promise.race([connected, late.promise]);
  clearTimeout(timer);
}
