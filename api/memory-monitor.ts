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

  /**
   * Evaluates readings.
   * @param measuredMs returns when a pod was measured. Readings with the same time count as one. Default: now
   */
  observe(
    readings: MemoryReadings,
    nowMs: number,
    measuredMs: (podUID: string) => number = () => nowMs,
  ): void {
    for (const state of this.states.values()) {
      const { podUID } = state.watch;
      const reading = readings.get(podUID);
      const timeMs = measuredMs(podUID);
      if (reading !== undefined && timeMs !== state.readMs) step(state, reading, timeMs, nowMs);
    }
  }

  /** The last crossing of each watch that had one, in the order of the watches. */
  get crossings(): readonly MemoryCrossing[] {
    return [...this.states.values()].flatMap(({ crossing }) => crossing ?? []);
  }
}

/** @param timeMs when the reading was measured */
function step(state: State, reading: ReadonlyMap<string, number>, timeMs: number, nowMs: number): void {
  const { watch, crossing, readMs = timeMs } = state;
  const used = watch.thresholds.map(({ containers = [], ...threshold }) => {
    const names = containers.length > 0 ? containers : [...reading.keys()];
    return { ...threshold, bytes: names.reduce((sum, name) => sum + (reading.get(name) ?? 0), 0) };
  });
  state.readMs = timeMs;
  if (crossing && !crossing.rearmed) {
    if (used.some(({ bytes, rearmBytes }) => bytes >= rearmBytes)) return;
    state.crossing = { ...crossing, rearmed: true };
  }
  // A clock that was set back would let a threshold seem to be reached for a negative time.
  const isContinuous = timeMs >= readMs && timeMs - readMs <= MAX_GAP_MS;
  if (!used.some(({ bytes, fireBytes }) => bytes >= fireBytes)) {
    delete state.overSinceMs;
    return;
  }
  if (!isContinuous) delete state.overSinceMs;
  state.overSinceMs ??= timeMs;
  if (timeMs - state.overSinceMs < watch.forSeconds * 1000) return;
  // The time identifies the crossing, so it is later than the last one, also on a clock that was set back.
  const crossedMs = Math.max(nowMs, crossing ? Date.parse(crossing.time) + 1 : nowMs);
  state.crossing = { id: watch.id, time: new Date(crossedMs).toISOString(), rearmed: false };
  delete state.overSinceMs;
}
