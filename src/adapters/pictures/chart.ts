/** Charts for people, as SVG: what a report shows of a curve. The same chart gives the same bytes. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

export type Axis = {
  readonly label: string;
  readonly scale?: 'linear' | 'log';
  readonly domain?: readonly [number, number];
  readonly isPercent?: boolean;
  /** Where the axis is marked, instead of at round numbers. */
  readonly ticks?: readonly number[];
};

export type Series = {
  readonly name: string;
  /** Drawn as a line with dots at few points, or dots alone; NaN leaves a gap. */
  readonly kind?: 'line' | 'dots';
  readonly isDashed?: boolean;
  readonly points: readonly Point[];
};

export type Point = {
  readonly x: number;
  readonly y: number;
  /** An interval around y. */
  readonly low?: number;
  readonly high?: number;
};

/** A line across the picture with words at it. */
export type Rule = { readonly label: string } & ({ readonly x: number } | { readonly y: number });

export type Chart = {
  readonly title: string;
  readonly subtitle?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly rules?: readonly Rule[];
};

/** There is nothing to draw. */
export class ChartError extends Error {
  readonly code = 'chart';
}

export const CHART_WIDTH = 460;
export const CHART_HEIGHT = 340;
export const FONT = 'DejaVu Sans';

/** Told apart also by those who see few colours (Okabe and Ito, 2008), the dark ones first. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'];
const INK = '#333333';
const FAINT = '#8a8a8a';
/** A line with at most so many points shows each. */
const DOTTED_MAX = 12;
const HEAD = 44;
const LEGEND_LINE = 15;

/** The chart as an `svg` element of CHART_WIDTH by CHART_HEIGHT. @throws ChartError */
export function drawChart(chart: Chart): string {
  const { title, series } = chart;
  if (series.length === 0) throw new ChartError(`the chart "${title}" has no series`);
  if (!series.some(({ points }) => points.some(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))))
    throw new ChartError(`the chart "${title}" has no points`);
  const { document } = parseHTML('<html><body></body></html>');
  const legendHeight = series.length > 1 ? LEGEND_LINE * series.length : 0;
  const plot = Plot.plot({
    document: document as never, // it has what Plot uses of a browser's
    width: CHART_WIDTH,
    height: CHART_HEIGHT - HEAD - legendHeight,
    marginLeft: 60,
    marginRight: 18,
    marginTop: 12,
    marginBottom: 40,
    style: { fontFamily: FONT, fontSize: '11px', color: INK, background: 'none' },
    x: axis(chart.x),
    y: axis(chart.y),
    marks: [
      Plot.gridX({ stroke: '#e5e5e5', strokeOpacity: 1, ...ticksOf(chart.x) }),
      Plot.gridY({ stroke: '#e5e5e5', strokeOpacity: 1, ...ticksOf(chart.y) }),
      ...(chart.rules ?? []).flatMap((rule) => ruleMarks(rule, chart.x)),
      ...series.flatMap((one, index) => seriesMarks(withinX(one, chart.x), COLOURS[index % COLOURS.length])),
    ],
  });
  const body = plot.outerHTML.replace('<svg ', `<svg y="${HEAD + legendHeight}" `);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${CHART_WIDTH}" height="${CHART_HEIGHT}">${head(chart)}${body}</svg>`;
}

function axis({ label, scale = 'linear', domain, isPercent = false, ticks }: Axis): Plot.ScaleOptions {
  return {
    label,
    type: scale,
    labelAnchor: 'center',
    labelArrow: 'none',
    ...(domain ? { domain: [...domain] } : {}),
    ...(ticks ? { ticks: [...ticks] } : {}),
    tickFormat: (value: number) => (isPercent ? `${shortest(100 * value)} %` : shortest(value)),
  };
}

function ticksOf({ ticks }: Axis): { ticks?: number[] } {
  return ticks ? { ticks: [...ticks] } : {};
}

function shortest(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** Without the points that lie beside the picture. */
function withinX(
  series: Series,
  { domain = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] }: Axis,
): Series {
  const [low, high] = domain;
  return { ...series, points: series.points.filter(({ x }) => x >= low && x <= high) };
}

function seriesMarks({ points, kind = 'line', isDashed = false }: Series, colour: string): Plot.Markish[] {
  const data = points.map((point) => ({ low: point.y, high: point.y, ...point }));
  const hasInterval = points.some(({ low }) => low !== undefined);
  const line = {
    x: 'x',
    y: 'y',
    stroke: colour,
    strokeWidth: 1.8,
    ...(isDashed ? { strokeDasharray: '5 4' } : {}),
  };
  if (kind === 'dots') {
    const bars = Plot.ruleX(data, { x: 'x', y1: 'low', y2: 'high', stroke: colour, strokeWidth: 1.2 });
    return [...(hasInterval ? [bars] : []), Plot.dot(data, { x: 'x', y: 'y', fill: colour, r: 3.5 })];
  }
  const band = Plot.areaY(data, { x: 'x', y1: 'low', y2: 'high', fill: colour, fillOpacity: 0.15 });
  const dots = points.length <= DOTTED_MAX ? [Plot.dot(data, { x: 'x', y: 'y', fill: colour, r: 3 })] : [];
  return [...(hasInterval ? [band] : []), Plot.line(data, line), ...dots];
}

function ruleMarks(rule: Rule, x: Axis): Plot.Markish[] {
  const stroke = { stroke: FAINT, strokeDasharray: '2 3' };
  const words = { text: [rule.label], fill: FAINT, fontSize: 10 };
  if ('x' in rule) {
    const side = isAtRight(rule.x, x)
      ? ({ textAnchor: 'end', dx: -4 } as const)
      : ({ textAnchor: 'start', dx: 4 } as const);
    const text = { x: [rule.x], frameAnchor: 'top', dy: 2, ...side, ...words } as const;
    return [Plot.ruleX([rule.x], stroke), Plot.text([rule.label], text)];
  }
  const text = { y: [rule.y], frameAnchor: 'right', textAnchor: 'end', dy: -7, ...words } as const;
  return [Plot.ruleY([rule.y], stroke), Plot.text([rule.label], text)];
}

/** In the last fifth, where words to the right would be cut. */
function isAtRight(value: number, { domain = [0, Number.POSITIVE_INFINITY], scale }: Axis): boolean {
  const [at, low, high] = [value, ...domain].map((place) => (scale === 'log' ? Math.log(place) : place));
  return at - low > 0.8 * (high - low);
}

/** Title, subtitle, and a line for each series, so that no name ever covers a curve. */
function head({ title, subtitle = '', series }: Chart): string {
  const lines = [
    `<text x="12" y="19" font-size="14" font-weight="bold" fill="${INK}">${escapeXml(title)}</text>`,
    `<text x="12" y="36" font-size="11" fill="${FAINT}">${escapeXml(subtitle)}</text>`,
  ];
  if (series.length > 1) lines.push(...series.map(legendLine));
  return `<g font-family="${FONT}">${lines.join('')}</g>`;
}

function legendLine({ name, kind, isDashed }: Series, index: number): string {
  const y = HEAD + 8 + LEGEND_LINE * index;
  const colour = COLOURS[index % COLOURS.length];
  const dash = isDashed ? ' stroke-dasharray="4 3"' : '';
  const mark =
    kind === 'dots'
      ? `<circle cx="22" cy="${y - 3.5}" r="3.5" fill="${colour}"/>`
      : `<line x1="12" x2="32" y1="${y - 3.5}" y2="${y - 3.5}" stroke="${colour}" stroke-width="2"${dash}/>`;
  return `${mark}<text x="38" y="${y}" font-size="11" fill="${INK}">${escapeXml(name)}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
