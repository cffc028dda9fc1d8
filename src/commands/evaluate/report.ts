/** The figures of a study in words and as JSON. */
import type { Evaluated } from './command.ts';
import { FALSE_POSITIVE_RATES, type Figure, type StageFigures } from './measure-weeks.ts';
import type { Study } from './studies.ts';

/** A study's table, with Markdown's borders so that it can be put into a document as it is. */
export function tableOf({ title, isValidationOnly }: Study, evaluated: readonly Evaluated[]): string {
  const stage = isValidationOnly ? 'validation' : 'test';
  const figures = evaluated.map((one) => one[stage]!);
  const headings = [
    '',
    'AUC',
    'AP',
    'card precision@100',
    ...FALSE_POSITIVE_RATES.map((rate) => `recall at ${percent(rate)}`),
  ];
  const rows = evaluated.map(({ candidate }, index) => [candidate.name, ...figureCells(figures[index])]);
  const published = evaluated.flatMap(({ candidate }) =>
    candidate.published ? [publishedCells(candidate.name, candidate.published)] : [],
  );
  const [{ bestCardPrecision, payments, frauds }] = figures;
  return [
    `${title}: the four ${stage} weeks, mean ± standard deviation over weeks [95 % interval, users drawn]`,
    '',
    ...table([headings, ...rows, ...published]),
    '',
    `${count(payments)} payments, ${count(frauds)} of them fraud. A perfect ranking has a card precision@100 of ${bestCardPrecision.mean.toFixed(3)}.`,
    '',
    ...storyTable(evaluated, figures),
    '',
  ].join('\n');
}

export function reportJson(study: Study, evaluated: readonly Evaluated[]): string {
  const candidates = evaluated.map(({ candidate, parameters, validation, test }) => ({
    ...candidate,
    parameters,
    validation,
    test,
  }));
  return `${JSON.stringify({ title: study.title, falsePositiveRates: FALSE_POSITIVE_RATES, candidates }, null, 2)}\n`;
}

function figureCells({ auc, averagePrecision, cardPrecision, recallAt }: StageFigures): string[] {
  return [auc, averagePrecision, cardPrecision, ...recallAt].map(shown);
}

function publishedCells(name: string, published: NonNullable<Evaluated['candidate']['published']>): string[] {
  const { auc, averagePrecision, cardPrecision } = published;
  const cells = [auc, averagePrecision, cardPrecision].map((figure) => figure.toFixed(3));
  return [`published: ${name}`, ...cells, ...FALSE_POSITIVE_RATES.map(() => '')];
}

/** Recall of each kind of fraud; only where there is more than one kind. */
function storyTable(evaluated: readonly Evaluated[], figures: readonly StageFigures[]): string[] {
  const [{ stories }] = figures;
  const names = Object.keys(stories);
  if (names.length < 2) return [];
  const headings = [
    'recall at 2 %, by story',
    ...names.map((name) => `${name} (${count(stories[name].frauds)})`),
  ];
  const rows = evaluated.map(({ candidate }, index) => [
    candidate.name,
    ...names.map((name) => figures[index].stories[name]?.recall.toFixed(3) ?? ''),
  ]);
  return table([headings, ...rows]);
}

function table([headings, ...rows]: readonly (readonly string[])[]): string[] {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, 3, ...rows.map((row) => row[column].length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const border = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(headings), border, ...rows.map(line)];
}

function shown({ mean, deviation, interval }: Figure): string {
  const figure = `${mean.toFixed(3)} ± ${deviation.toFixed(3)}`;
  return interval ? `${figure} [${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]` : figure;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function count(number: number): string {
  return number.toLocaleString('en');
}
