/** Records straight from the partitions' leaders: one request a broker, for all partitions that it leads. */
import { type ClusterMetadata, type Consumer, type fetchV17, findErrorBy } from '@platformatic/kafka';

type FetchResponse = fetchV17.FetchResponse;

/** Where a reader stands in a partition. */
export type Place = {
  /** With the prefix. */
  readonly topic: string;
  readonly partition: number;
  /** Of the next record to read. */
  readonly offset: number;
};

export type FetchedRecord = {
  readonly offset: number;
  readonly key: Buffer | undefined;
  readonly value: Buffer | undefined;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
  readonly timestampMs: number;
};

export type FetchedPartition = Place & {
  readonly records: readonly FetchedRecord[];
  /** Where the next fetch starts: behind the records, or where the partition now begins if ours was deleted. */
  readonly nextOffset: number;
  /** As they came, compressed. */
  readonly wireBytes: number;
};

/** `bytesMax`: of compressed batches, of which one comes whole in any case. */
export type FetchLimits = { readonly bytesMax: number; readonly waitMs: number };

const LEADER_UNKNOWN = -1;
const OFFSET_OUT_OF_RANGE = 1;
/** As many as fill a batch of decisions from a partition that is far behind, so that one partition does not take all. */
const PARTITION_BYTES_MAX = 256 * 1024;

/** Places by the broker that leads their partitions. Those without a leader are left out. */
export function groupByLeader(
  places: readonly Place[],
  metadata: ClusterMetadata,
): ReadonlyMap<number, readonly Place[]> {
  const groups = new Map<number, Place[]>();
  for (const place of places) {
    const leader = metadata.topics.get(place.topic)?.partitions[place.partition]?.leader ?? LEADER_UNKNOWN;
    if (leader === LEADER_UNKNOWN) continue;
    const group = groups.get(leader);
    if (group) group.push(place);
    else groups.set(leader, [place]);
  }
  return groups;
}

/** What a broker has behind the places; partitions without news are left out. Rejects with the library's errors. */
export async function fetchRecords(
  consumer: Consumer,
  node: number,
  places: readonly Place[],
  metadata: ClusterMetadata,
  { bytesMax, waitMs }: FetchLimits,
): Promise<readonly FetchedPartition[]> {
  const nameById = new Map<string, string>();
  const partitionsById = Map.groupBy(places, ({ topic }) => {
    const { id } = metadata.topics.get(topic)!;
    nameById.set(id, topic);
    return id;
  });
  const topics = [...partitionsById].map(([topicId, group]) => ({
    topicId,
    partitions: group.map(({ partition, offset }) => ({
      partition,
      fetchOffset: BigInt(offset),
      partitionMaxBytes: Math.min(PARTITION_BYTES_MAX, bytesMax),
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    })),
  }));
  const options = { node, topics, maxBytes: bytesMax, maxWaitTime: waitMs, minBytes: 1 };
  const response = await consumer.fetch(options).catch(responseOfLostPlaces);
  return response.responses.flatMap(({ topicId, partitions }) => {
    const topic = nameById.get(topicId);
    return partitions.flatMap((fetched) => {
      const place = places.find((it) => it.topic === topic && it.partition === fetched.partitionIndex);
      return place === undefined ? [] : readPartition(place, fetched);
    });
  });
}

/** The library rejects all of an answer for one partition's error; where records were deleted, the rest is still good. */
function responseOfLostPlaces(error: unknown): FetchResponse {
  const isAboutPlaces = error instanceof Error && findErrorBy(error as never, 'apiId', 'OFFSET_OUT_OF_RANGE');
  const { response } = error as { response?: FetchResponse };
  const isOther = ({ errorCode }: { errorCode: number }) =>
    errorCode !== 0 && errorCode !== OFFSET_OUT_OF_RANGE;
  if (!isAboutPlaces || !response || response.responses.some(({ partitions }) => partitions.some(isOther))) {
    throw error;
  }
  return response;
}

type ResponsePartition = FetchResponse['responses'][number]['partitions'][number];

function readPartition(place: Place, fetched: ResponsePartition): readonly FetchedPartition[] {
  if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
    return [{ ...place, records: [], nextOffset: Math.max(0, Number(fetched.logStartOffset)), wireBytes: 0 }];
  }
  const records: FetchedRecord[] = [];
  let nextOffset = place.offset;
  let wireBytes = 0;
  for (const batch of fetched.records ?? []) {
    const firstOffset = Number(batch.firstOffset);
    const isControl = (batch.attributes & 0x20) !== 0;
    wireBytes += batch.length;
    nextOffset = Math.max(nextOffset, firstOffset + batch.lastOffsetDelta + 1);
    for (const record of isControl ? [] : batch.records) {
      const offset = firstOffset + record.offsetDelta;
      if (offset < place.offset) continue; // A batch is whole, also where we stand in its middle.
      records.push({
        offset,
        key: record.key ?? undefined,
        value: record.value ?? undefined,
        headers: record.headers.map(([name, value]) => [String(name ?? ''), value ?? Buffer.alloc(0)]),
        timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
      });
    }
  }
  return nextOffset === place.offset ? [] : [{ ...place, records, nextOffset, wireBytes }];
}
