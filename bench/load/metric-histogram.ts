/** A Prometheus histogram as several processes show it: how many observations are at most each edge, summed. */
export type Buckets = ReadonlyMap<number, number>;

export async function scrapeHistogram(name: string, urls: readonly string[]): Promise<Buckets> {
  const counts = new Map<number, number>();
  for (const [, edge, count] of (await metricsOf(urls)).matchAll(bucketLines(name))) {
    const upTo = edge === '+Inf' ? Number.POSITIVE_INFINITY : Number(edge);
    counts.set(upTo, (counts.get(upTo) ?? 0) + Number(count));
  }
  return counts;
}

/** The sum of a counter over its labels and over processes. */
export async function scrapeTotal(name: string, urls: readonly string[]): Promise<number> {
  const lines = (await metricsOf(urls)).matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'));
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

export function since(before: Buckets, after: Buckets): Buckets {
  return new Map([...after].map(([edge, count]) => [edge, count - (before.get(edge) ?? 0)]));
}

/** As Prometheus computes it: straight between the edges of the bucket that the rank falls into; NaN of nothing. */
export function quantileOf(quantile: number, buckets: Buckets): number {
  const sorted = [...buckets].sort(([one], [other]) => one - other);
  const rank = quantile * (sorted.at(-1)?.[1] ?? 0);
  let [low, below] = [0, 0];
  for (const [edge, count] of sorted) {
    if (count >= rank && count > below) {
      return edge === Number.POSITIVE_INFINITY
        ? low
        : low + ((edge - low) * (rank - below)) / (count - below);
    }
    [low, below] = [edge, count];
  }
  return Number.NaN;
}

async function metricsOf(urls: readonly string[]): Promise<string> {
  const pages = await Promise.all(urls.map(async (url) => (await fetch(new URL('/metrics', url))).text()));
  return pages.join('\n');
}

function bucketLines(name: string): RegExp {
  return new RegExp(`^${name}_bucket\\{[^}]*le="([^"]+)"[^}]*\\} (\\S+)`, 'gm');
}
