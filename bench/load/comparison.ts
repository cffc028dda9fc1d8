import type { LoadReport } from './report.ts';

/** One alternation: the same load on the service and, right after it, on the bare server. */
export type Alternation = { readonly service: LoadReport; readonly bare: LoadReport };

/** Figures that are compared, each a median over the alternations. */
export type Figures = {
  readonly answeredPerSecond: number;
  readonly serverCpuUs: number;
  readonly generatorCpuUs: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  readonly latencyMsP999: number;
};

export type Side = Figures & {
  /** Sums over the alternations. */
  readonly failed: number;
  readonly dropped: number;
};

export type Comparison = {
  readonly service: Side;
  readonly bare: Side;
  /** Medians of service / bare within each alternation, which a slow minute of the machine hits alike. */
  readonly ratios: Figures;
};

export function compare(alternations: readonly Alternation[]): Comparison {
  return {
    service: toSide(alternations.map(({ service }) => service)),
    bare: toSide(alternations.map(({ bare }) => bare)),
    ratios: mapFigures((figure) =>
      median(alternations.map(({ service, bare }) => figureOf[figure](service) / figureOf[figure](bare))),
    ),
  };
}

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values have no median');
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

const COLUMN_CHARACTERS = 13;

export function formatComparison(comparison: Comparison): string {
  const head = [
    '',
    'answered/s',
    'CPU µs',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'failed',
    'dropped',
    'generator µs',
  ];
  const rows = [
    head,
    ['service', ...sideCells(comparison.service)],
    ['bare', ...sideCells(comparison.bare)],
    ['ratio', ...ratioCells(comparison.ratios)],
  ];
  return rows
    .map(
      (row) =>
        `${row
          .map((cell) => cell.padStart(COLUMN_CHARACTERS))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

const figureOf: { readonly [figure in keyof Figures]: (report: LoadReport) => number } = {
  answeredPerSecond: (report) => report.answeredPerSecond,
  serverCpuUs: (report) => report.serverCpuUs ?? Number.NaN,
  generatorCpuUs: (report) => report.generatorCpuUs,
  latencyMsP50: (report) => report.latencyMs.p50,
  latencyMsP99: (report) => report.latencyMs.p99,
  latencyMsP999: (report) => report.latencyMs.p999,
};

function toSide(reports: readonly LoadReport[]): Side {
  return {
    ...mapFigures((figure) => median(reports.map(figureOf[figure]))),
    failed: reports.reduce((sum, { failed }) => sum + failed, 0),
    dropped: reports.reduce((sum, { dropped }) => sum + dropped, 0),
  };
}

function mapFigures(value: (figure: keyof Figures) => number): Figures {
  return {
    answeredPerSecond: value('answeredPerSecond'),
    serverCpuUs: value('serverCpuUs'),
    generatorCpuUs: value('generatorCpuUs'),
    latencyMsP50: value('latencyMsP50'),
    latencyMsP99: value('latencyMsP99'),
    latencyMsP999: value('latencyMsP999'),
  };
}

function sideCells(side: Side): string[] {
  return [
    side.answeredPerSecond.toFixed(0),
    side.serverCpuUs.toFixed(1),
    side.latencyMsP50.toFixed(2),
    side.latencyMsP99.toFixed(2),
    side.latencyMsP999.toFixed(2),
    `${side.failed}`,
    `${side.dropped}`,
    side.generatorCpuUs.toFixed(1),
  ];
}

function ratioCells(ratios: Figures): string[] {
  return [
    ratios.answeredPerSecond.toFixed(2),
    ratios.serverCpuUs.toFixed(2),
    ratios.latencyMsP50.toFixed(2),
    ratios.latencyMsP99.toFixed(2),
    ratios.latencyMsP999.toFixed(2),
    '',
    '',
    ratios.generatorCpuUs.toFixed(2),
  ];
}
