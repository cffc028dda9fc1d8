/**
 * An order for events of a log that has none of its own (many partitions, many processes): one in which every history gets
 * its records by their positions. Between events that share no history any order will do.
 *
 * Each event waits in the lines of its user and its terminal, which are sorted by position; it comes out when it is first in
 * both. Of decisions with the same id the first in the log counts. A decision that was made without its histories stands
 * where its placement says; one that has no placement yet is in no history, and comes out at once. Positions that contradict
 * each other, which only a damaged log has, come out last, as the log has them.
 */
import type { Decision } from '../core/decision/decision.ts';
import type { LogEvent, Placement } from './event-log.ts';

type Place = {
  readonly user: string;
  readonly userPosition: number | undefined;
  readonly terminal: string | undefined;
  readonly terminalPosition: number | undefined;
};

type Waiting = {
  readonly event: LogEvent;
  /** Lines in which it is not first yet, and then those in which it is. */
  blocked: number;
  readonly lines: Line[];
};

type Line = { readonly items: { readonly position: number; readonly waiting: Waiting }[]; next: number };

/** @param events all of a log, in any order in which placements may come last */
export function orderByPositions(events: readonly LogEvent[]): LogEvent[] {
  const placements = new Map<string, Placement>();
  for (const event of events)
    if (event.kind === 'placement') placements.set(event.placement.transactionId, event.placement);
  const lines = new Map<string, Line>();
  const ordered: LogEvent[] = [];
  const firstOf = new Map<string, LogEvent>();
  for (const event of events) {
    if (event.kind !== 'decision') continue;
    const id = event.decision.transaction.transactionId;
    if (!firstOf.has(id)) firstOf.set(id, event);
  }
  const isRepeat = (event: LogEvent) =>
    event.kind === 'decision' && firstOf.get(event.decision.transaction.transactionId) !== event;
  for (const event of events) {
    if (isRepeat(event)) continue;
    const place = placeOf(event, placements);
    if (place?.userPosition === undefined) {
      if (event.kind !== 'placement') ordered.push(event);
    } else enter(lines, event, place);
  }
  release(lines, ordered);
  const released = new Set(ordered);
  const isLeft = (event: LogEvent) => event.kind !== 'placement' && !released.has(event) && !isRepeat(event);
  return [...ordered, ...events.filter(isLeft)];
}

function placeOf(event: LogEvent, placements: ReadonlyMap<string, Placement>): Place | undefined {
  switch (event.kind) {
    case 'decision':
      return placeOfDecision(event.decision, placements);
    case 'label': {
      const { userId, userPosition, terminalId, terminalPosition } = event.label;
      return { user: userId, userPosition, terminal: terminalId, terminalPosition };
    }
    case 'placement':
    case 'control':
      return undefined;
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

function placeOfDecision(decision: Decision, placements: ReadonlyMap<string, Placement>): Place {
  const { transactionId, userId, terminalId } = decision.transaction;
  const { userPosition, terminalPosition } = placements.get(transactionId) ?? decision;
  return { user: userId, userPosition, terminal: terminalId, terminalPosition };
}

function enter(lines: Map<string, Line>, event: LogEvent, place: Place): void {
  const waiting: Waiting = { event, blocked: 0, lines: [] };
  const stand = (key: string, position: number) => {
    const line = lines.get(key) ?? { items: [], next: 0 };
    lines.set(key, line);
    line.items.push({ position, waiting });
    waiting.lines.push(line);
    waiting.blocked++;
  };
  stand(`u ${place.user}`, place.userPosition!);
  if (place.terminal !== undefined && place.terminalPosition !== undefined)
    stand(`t ${place.terminal}`, place.terminalPosition);
}

function release(lines: ReadonlyMap<string, Line>, ordered: LogEvent[]): void {
  const free: Waiting[] = [];
  const comeFirst = (line: Line) => {
    const first = line.items[line.next]?.waiting;
    if (first && --first.blocked === 0) free.push(first);
  };
  for (const line of lines.values()) {
    line.items.sort((one, other) => one.position - other.position);
    comeFirst(line);
  }
  for (let waiting = free.pop(); waiting; waiting = free.pop()) {
    ordered.push(waiting.event);
    for (const line of waiting.lines) {
      line.next++;
      comeFirst(line);
    }
  }
}
