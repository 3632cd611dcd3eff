import { executeRetention } from "../../../../../controller/policies/retention/execute";
import type { RetainedCheckpoint, RetainingPod } from "../../../../../controller/policies/retention/facts";
import { planRetention, type RetentionInput } from "../../../../../controller/policies/retention/plan";
import { Random, SEED } from "../../../../../testbed/random";
import { expectedDeletions, hasPods, isClaimed, isLast, isObsolete, isUntouchable } from "./oracle";
import { randomCheckpoint, randomHistory, randomPod } from "./random-history";
import { NOW } from "./support";

class Killed extends Error {}

/** A cluster whose objects change while Checkpoints are deleted, and what a late cache has of it. */
class Cluster {
  /** All versions of each object; the last one is undefined after its deletion. */
  readonly versions = new Map<string, (RetainedCheckpoint | undefined)[]>();
  pods: readonly RetainingPod[];
  readonly violations: string[] = [];
  deletions = 0;
  private created = 0;
  private readonly input: RetentionInput;

  constructor(private readonly random: Random) {
    this.input = randomHistory(random);
    this.pods = this.input.pods;
    for (const one of this.input.checkpoints) this.versions.set(one.key, [one]);
  }

  get live(): readonly RetainedCheckpoint[] {
    return [...this.versions.values()].flatMap((all) => all.at(-1) ?? []);
  }

  /** Returns what a cache has that is up to two changes of each object late. */
  late(): RetentionInput {
    const checkpoints = [...this.versions.values()].flatMap(
      (all) => all.at(Math.max(-all.length, -1 - Math.floor(this.random.between(0, 3)))) ?? [],
    );
    return { ...this.input, checkpoints, pods: this.random.chance(0.5) ? this.input.pods : this.pods };
  }

  now(): RetentionInput {
    return { ...this.input, checkpoints: this.live, pods: this.pods };
  }

  /** Another client changes something, as the webhook, a user or the controller of restores. */
  change(): void {
    const { random } = this;
    if (random.chance(0.2)) {
      const created = randomCheckpoint(random, `new${this.created++}`);
      this.versions.set(created.key, [created]);
    }
    if (random.chance(0.2)) this.pods = [...this.pods, randomPod(random, this.live)].slice(-4);
    if (this.live.length === 0) return;
    const one = random.pick(this.live);
    const { restore, isPinned, isDeleted, state } = randomCheckpoint(random, "other");
    const next = random.chance(0.2)
      ? undefined
      : {
          ...one,
          resourceVersion: String(Number(one.resourceVersion) + 1),
          restore,
          isPinned,
          isDeleted: one.isDeleted || isDeleted,
          // A Checkpoint that has ended keeps its outcome.
          state: one.state === "open" && one.endedMs !== undefined ? state : one.state,
        };
    this.versions.set(one.key, [...(this.versions.get(one.key) ?? []), next]);
  }

  /** Runs a process until it has deleted what it knows, or is killed. @param steps requests before it is killed */
  async process(steps: number, known: () => RetentionInput, changes: boolean): Promise<void> {
    let left = steps;
    const step = () => {
      if (left-- <= 0) throw new Killed();
      if (changes && this.random.chance(0.3)) this.change();
    };
    try {
      await executeRetention({
        plan: async (deleted) => {
          const input = known();
          const checkpoints = input.checkpoints.filter(({ uid }) => !deleted.has(uid));
          return planRetention({ ...input, checkpoints }, NOW);
        },
        isCurrent: () => true,
        pause: () => Promise.resolve().then(step),
        read: ({ key }) => Promise.resolve(this.versions.get(key)?.at(-1)),
        hasPods: (one) => Promise.resolve(hasPods(one, this)),
        delete: ({ checkpoint }) => Promise.resolve(this.delete(checkpoint)),
        rejected: () => false,
      });
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }

  private delete({ key, uid, resourceVersion }: RetainedCheckpoint): boolean {
    const now = this.versions.get(key)?.at(-1);
    if (now === undefined) return true;
    if (now.uid !== uid || now.resourceVersion !== resourceVersion) return false;
    this.judge(now);
    this.versions.set(key, [...(this.versions.get(key) ?? []), undefined]);
    this.deletions++;
    return true;
  }

  private judge(one: RetainedCheckpoint): void {
    const wrong = [
      ...(isUntouchable(one) ? ["pinned, not ended, being deleted or of a Cedana"] : []),
      ...(isClaimed(one, NOW) ? [`its restore is ${one.restore?.state}`] : []),
      ...(hasPods(one, this) ? ["a pod is restored from it"] : []),
      ...(this.input.named.has(one.key) ? ["a pod template names it"] : []),
      ...(one.state === "completed" && !isObsolete(one, this.input, NOW) && isLast(one, this.live)
        ? ["the last completed, good or proven one of its workload"]
        : []),
    ];
    this.violations.push(...wrong.map((why) => `${one.key}: ${why}`));
  }
}

/**
 * Deletes in random clusters, by processes that are killed between any two requests and whose caches are late, while other clients
 * change the objects. Then one that knows everything finishes.
 * @returns what was deleted that must not be, and what was left that must be deleted, at most 3 of them
 */
export async function deleteWithCrashes(clusters: number) {
  const random = new Random(SEED);
  const wrong: object[] = [];
  let deletions = 0;
  for (let index = 0; index < clusters && wrong.length < 3; index++) {
    const cluster = new Cluster(random);
    for (let process = 0; process < 3; process++) {
      for (let change = 0; change < 2; change++) cluster.change();
      await cluster.process(Math.floor(random.between(0, 5)), () => cluster.late(), true);
    }
    await cluster.process(Number.POSITIVE_INFINITY, () => cluster.now(), false);
    const left = expectedDeletions(cluster.now(), NOW);
    deletions += cluster.deletions;
    if (cluster.violations.length > 0 || left.length > 0)
      wrong.push({ index, violations: cluster.violations, left });
  }
  return { wrong, deletions };
}
