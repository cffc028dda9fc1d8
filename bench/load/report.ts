import type { ProcessCpu } from './meter.ts';
import type { Tally } from './tally.ts';

/** What one load found out. CPU is per exchange that came to an end, answered or failed. */
export type LoadReport = Tally & {
  readonly loop: 'closed' | 'open';
  readonly connections: number;
  readonly seconds: number;
  readonly answeredPerSecond: number;
  readonly generatorCpuUs: number;
  /** undefined if the server's process is not known. */
  readonly serverCpuUs: number | undefined;
  /** Of every process that was named. */
  readonly processes?: readonly ProcessCpu[];
};

export function formatReport(report: LoadReport): string {
  const { latencyMs } = report;
  const failures = Object.entries(report.failures).map(([failure, count]) => `${failure}: ${count}`);
  const rows = [
    ['loop', `${report.loop}, ${report.connections} connections, ${report.seconds.toFixed(1)} s`],
    ['answered', `${report.answered} (${report.answeredPerSecond.toFixed(0)}/s) of ${report.sent} sent`],
    ['failed', `${report.failed} ${failures.length > 0 ? `(${failures.join(', ')})` : ''}`],
    ['dropped', `${report.dropped}`],
    ['latency p50', `${latencyMs.p50.toFixed(2)} ms`],
    ['latency p90', `${latencyMs.p90.toFixed(2)} ms`],
    ['latency p99', `${latencyMs.p99.toFixed(2)} ms`],
    ['latency p99.9', `${latencyMs.p999.toFixed(2)} ms`],
    ['latency max', `${latencyMs.max.toFixed(2)} ms`],
    ['CPU generator', `${report.generatorCpuUs.toFixed(1)} µs a request`],
    ['CPU server', report.serverCpuUs === undefined ? '-' : `${report.serverCpuUs.toFixed(1)} µs a request`],
  ] as const;
  return rows.map(([name, value]) => `${name.padEnd(14)}${value.trimEnd()}\n`).join('');
}
