export type Place = { readonly x: number; readonly y: number };

/**
 * A function that finds the terminals within `reach` of a place, by index, or the nearest one where there is none: a
 * person who could pay nowhere would be one less in the simulation.
 *
 * Terminals are sorted into cells of a grid as wide as the reach, so that nine cells hold all that can be near.
 */
export function terminalsNear(
  terminals: readonly Place[],
  { side, reach }: { side: number; reach: number },
): (place: Place) => Int32Array {
  const cellsPerSide = Math.ceil(side / reach);
  const cellOf = (coordinate: number) => Math.min(Math.floor(coordinate / reach), cellsPerSide - 1);
  const cells: number[][] = Array.from({ length: cellsPerSide ** 2 }, () => []);
  for (const [index, { x, y }] of terminals.entries())
    cells[cellOf(y) * cellsPerSide + cellOf(x)].push(index);
  // Columns of numbers, because this looks at hundreds of terminals for each of up to a million people.
  const xs = Float64Array.from(terminals, ({ x }) => x);
  const ys = Float64Array.from(terminals, ({ y }) => y);

  const around = (coordinate: number): number[] => {
    const cell = cellOf(coordinate);
    return [cell - 1, cell, cell + 1].filter((near) => near >= 0 && near < cellsPerSide);
  };
  const squaredDistance = (index: number, { x, y }: Place) => (xs[index] - x) ** 2 + (ys[index] - y) ** 2;
  const nearest = (place: Place) => {
    let best = 0;
    for (let index = 1; index < terminals.length; index++) {
      if (squaredDistance(index, place) < squaredDistance(best, place)) best = index;
    }
    return best;
  };

  return (place) => {
    const found: number[] = [];
    for (const row of around(place.y)) {
      for (const column of around(place.x)) {
        for (const index of cells[row * cellsPerSide + column]) {
          if (squaredDistance(index, place) < reach * reach) found.push(index);
        }
      }
    }
    return Int32Array.from(found.length > 0 ? found : [nearest(place)]);
  };
}
