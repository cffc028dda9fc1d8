import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CHART_HEIGHT, CHART_WIDTH, type Chart, ChartError } from './chart.ts';
import { drawCharts, writePicture } from './write-picture.ts';

const chart: Chart = {
  title: 'Recall & delay',
  subtitle: 'at 2 % false positives',
  x: { label: 'days' },
  y: { label: 'recall', isPercent: true },
  series: [
    { name: 'a <model>', points: [0, 1, 2].map((x) => ({ x, y: 1 - x / 10, low: 0.5, high: 1 })) },
    { name: 'published', kind: 'dots', points: [{ x: 1, y: 0.8 }] },
  ],
  rules: [{ y: 0.95, label: 'the promise' }],
};

describe('a picture', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fraud-pictures-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('says what it shows: title, axes, every series and rule', () => {
    const svg = drawCharts([chart]);
    const words = ['Recall &amp; delay', 'at 2 % false positives', '>days<', '>recall<', 'a &lt;model&gt;'];
    for (const word of [...words, 'published', 'the promise', '80 %']) assert.ok(svg.includes(word), word);
  });

  test('is the same each time, two charts in a row', () => {
    assert.equal(drawCharts([chart, chart, chart]), drawCharts([chart, chart, chart]));
    const size = `width="${2 * CHART_WIDTH}" height="${2 * CHART_HEIGHT}"`;
    assert.ok(drawCharts([chart, chart, chart]).includes(size));
  });

  test('is drawn with its words as PNG, where no font is installed', async () => {
    const [worded, wordless] = [join(folder, 'worded.png'), join(folder, 'wordless.png')];
    await writePicture(worded, [chart]);
    await writePicture(wordless, [{ ...chart, title: '', subtitle: '' }]);
    const png = await readFile(worded);
    assert.equal(png.toString('latin1', 1, 4), 'PNG');
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [2 * CHART_WIDTH, 2 * CHART_HEIGHT]);
    assert.ok(png.length > (await readFile(wordless)).length + 1000, 'the title takes ink');
  });

  test('leaves a gap where there is no number', () => {
    const points = [0, 1, Number.NaN, 3, 4].map((y, x) => ({ x, y }));
    const svg = drawCharts([{ ...chart, series: [{ name: 'gap', points }] }]);
    const curves = [...svg.matchAll(/<path d="(M[^"]*L[^"]*)" \/>/g)].map(([, d]) => d.match(/M/g)!.length);
    assert.deepEqual(curves, [2]);
  });

  test('of nothing is refused, and so is a file of another kind', async () => {
    assert.throws(() => drawCharts([]), ChartError);
    assert.throws(() => drawCharts([{ ...chart, series: [] }]), ChartError);
    assert.throws(
      () => drawCharts([{ ...chart, series: [{ name: 'a', points: [{ x: 1, y: Number.NaN }] }] }]),
      ChartError,
    );
    await assert.rejects(
      writePicture(join(folder, 'picture.gif'), [chart]),
      /a picture is a \.svg or a \.png/,
    );
  });
});
