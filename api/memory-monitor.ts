/** How readings of memory become crossings in the status of a NodeMemoryWatch: by the agent, or by the controller. */
import type { MemoryCrossing, MemoryWatch } from "./node-memory-watch";

/** Bytes by container, by UID of the pod. A pod without a reading is missing. */
export type MemoryReadings = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * Longest time between two readings of a pod that count as continuous, ms. A metrics server has a reading every 15 to 60 s. After
 * a longer gap, `forSeconds` begins again.
 */
const MAX_GAP_MS = 120_000;

interface State {
  watch: MemoryWatch;
  /** Since when a threshold is reached, while it is armed. */
  overSinceMs?: number;
  readMs?: number;
  crossing?: MemoryCrossing;
}

/** The watches of a node. A watch is due once when its threshold was reached for the time, and again only after it was re-armed. */
export class MemoryMonitor {
  private states = new Map<string, State>();

  /** Sets the watches. One that is not known yet continues from its crossing in the status. */
  set(watches: readonly MemoryWatch[], crossings: readonly MemoryCrossing[] = []): void {
    const written = new Map(crossings.map((one) => [one.id, one]));
    this.states = new Map(
      watches.map((watch) => {
        const crossing = written.get(watch.id);
        const known = this.states.get(watch.id) ?? { ...(crossing && { crossing }) };
        return [watch.id, Object.assign(known, { watch })];
      }),
    );
  }

  /** UIDs of the watched pods. */
  get pods(): readonly string[] {
    return [...new Set([...this.states.values()].map(({ watch }) => watch.podUID))];
  }

  /** Evaluates readings. */
  observe(readings: MemoryReadings, nowMs: number): void {
    for (const state of this.states.values()) {
      const reading = readings.get(state.watch.podUID);
      if (reading !== undefined) step(state, reading, nowMs);
    }
  }

  /** The last crossing of each watch that had one, in the order of the watches. */
  get crossings(): readonly MemoryCrossing[] {
    return [...this.states.values()].flatMap(({ crossing }) => crossing ?? []);
  }
}

function step(state: State, reading: ReadonlyMap<string, number>, nowMs: number): void {
  const { watch, crossing, readMs = nowMs } = state;
  const used = watch.thresholds.map(({ containers = [], ...threshold }) => {
    const names = containers.length > 0 ? containers : [...reading.keys()];
    return { ...threshold, bytes: names.reduce((sum, name) => sum + (reading.get(name) ?? 0), 0) };
  });
  state.readMs = nowMs;
  if (crossing && !crossing.rearmed) {
    if (used.some(({ bytes, rearmBytes }) => bytes >= rearmBytes)) return;
    state.crossing = { ...crossing, rearmed: true };
  }
  // A clock that was set back would let a threshold seem to be reached for a negative time.
  const isContinuous = nowMs >= readMs && nowMs - readMs <= MAX_GAP_MS;
  if (!used.some(({ bytes, fireBytes }) => bytes >= fireBytes)) {
    delete state.overSinceMs;
    return;
  }
  if (!isContinuous) delete state.overSinceMs;
  state.overSinceMs ??= nowMs;
  if (nowMs - state.overSinceMs < watch.forSeconds * 1000) return;
  // The time identifies the crossing, so it is later than the last one, also on a clock that was set back.
  const timeMs = Math.max(nowMs, crossing ? Date.parse(crossing.time) + 1 : nowMs);
  state.crossing = { id: watch.id, time: new Date(timeMs).toISOString(), rearmed: false };
  delete state.overSinceMs;
}
