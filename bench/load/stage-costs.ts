/** What each stage of the pipeline costs a decision, as the service's own metrics have it since it started. */
export type StageCosts = Readonly<Record<string, number>>;

/** Microseconds a decision, by stage. Embedded, nothing is waited for within a stage but the log's encoding: this is CPU. */
export async function scrapeStageCosts(url: string): Promise<StageCosts> {
  const page = await (await fetch(new URL('/metrics', url))).text();
  const decisions = sum(page, /^predictions_total\{[^}]*\} (\S+)$/gm);
  const lines = page.matchAll(/^fraud_stage_seconds_sum\{stage="([a-z]+)"\} (\S+)$/gm);
  return Object.fromEntries(
    [...lines].map(([, stage, seconds]) => [stage, (Number(seconds) * 1e6) / decisions]),
  );
}

export function formatStageCosts(costs: StageCosts): string {
  const parts = Object.entries(costs).map(([stage, microseconds]) => `${stage} ${microseconds.toFixed(2)}`);
  const total = Object.values(costs).reduce((before, each) => before + each, 0);
  return `stages of the service, µs a decision: ${parts.join(', ')}; together ${total.toFixed(1)}\n`;
}

function sum(page: string, pattern: RegExp): number {
  return [...page.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
}
