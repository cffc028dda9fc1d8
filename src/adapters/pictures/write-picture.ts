import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { CHART_HEIGHT, CHART_WIDTH, type Chart, ChartError, drawChart, FONT } from './chart.ts';

const COLUMNS = 2;
/** Sharp on screens that have two dots where others have one. */
const ZOOM = 2;
/** The fonts come along: a server has none. */
const FONTS = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');

/**
 * Writes charts side by side, two in a row, as one picture.
 * @param path ends with .svg or .png
 * @throws ChartError if a chart has nothing to draw or the ending is another
 */
export async function writePicture(path: string, charts: readonly Chart[]): Promise<void> {
  const svg = drawCharts(charts);
  if (path.endsWith('.svg')) await writeFile(path, svg);
  else if (path.endsWith('.png')) await writeFile(path, toPng(svg));
  else throw new ChartError(`a picture is a .svg or a .png, not ${path}`);
}

export function drawCharts(charts: readonly Chart[]): string {
  if (charts.length === 0) throw new ChartError('a picture needs at least one chart');
  const columns = Math.min(COLUMNS, charts.length);
  const width = CHART_WIDTH * columns;
  const height = CHART_HEIGHT * Math.ceil(charts.length / columns);
  const cells = charts.map((chart, index) => {
    const [x, y] = [(index % columns) * CHART_WIDTH, Math.floor(index / columns) * CHART_HEIGHT];
    return drawChart(chart).replace('<svg ', `<svg x="${x}" y="${y}" `);
  });
  const background = `<rect width="${width}" height="${height}" fill="white"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${background}${cells.join('')}</svg>\n`;
}

function toPng(svg: string): Uint8Array {
  const fonts = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(FONTS, name));
  const font = { fontFiles: fonts, loadSystemFonts: false, defaultFontFamily: FONT };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: ZOOM } }).render().asPng();
}
