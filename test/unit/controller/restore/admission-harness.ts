/** Admission of pods by the webhook's handler, on an API server in memory. */
import { applyPatch, type Operation } from "fast-json-patch";
import { Claims } from "../../../../controller/restore";
import { Report } from "../../../../controller/restore/report";
import { Candidates } from "../../../../controller/restore/candidates";
import { Admitter } from "../../../../controller/restore/admitter";
import { CHECKPOINT, type CheckpointObject } from "../../../../controller/checkpoints/objects";
import { Cache, type CachedObjects, Metrics, type Json } from "../../../../kube";
import { clientOn, logInto } from "../../../support/controller-runtime";
import { FakeApi } from "../../../../testbed/fake-api";
import { byPlan, checkpointJson, CLASSES, podJson } from "./support";

const ROOT = "/apis/automation.cedana.ai/v1alpha1/checkpoints";
export const IN_TEAM = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints";
const PODS = "/api/v1/namespaces/team-a/pods";
export const DEPLOYED = {
  generateName: "api-6c-",
  owner: { kind: "ReplicaSet", name: "api-6c" },
  labels: { "pod-template-hash": "6c" },
};

export const CREATION = { user: "dev", namespace: "team-a", resource: "pods", operation: "CREATE" };

export class AdmissionHarness {
  /** Lines of the log, parsed. */
  readonly lines: object[] = [];
  private readonly log = logInto(this.lines);
  private readonly metrics = new Metrics();
  private readonly report = new Report({ record: () => {} }, this.metrics, this.log);
  private requests = 0;

  private readonly cache: Cache;
  private readonly checkpoints: CachedObjects<CheckpointObject>;

  constructor(readonly api = new FakeApi()) {
    this.cache = new Cache({ transport: api, log: this.log });
    this.checkpoints = this.cache.objects(CHECKPOINT, { namespaces: ["team-a"], skipDenied: true });
  }

  /** Returns another process on the same API server, with a cache of its own. */
  beside(): AdmissionHarness {
    return new AdmissionHarness(this.api);
  }

  /** Runs the cache of the replicas, which is empty otherwise, and waits for its list. */
  async follow(signal: AbortSignal): Promise<void> {
    void this.cache.run(signal);
    await this.checkpoints.synced;
  }

  /** Waits until the cache has a version of a Checkpoint. */
  async isCached(name: string): Promise<void> {
    const { resourceVersion } = this.api.get(`${IN_TEAM}/${name}`)?.metadata ?? {};
    while (this.checkpoints.get(`team-a/${name}`)?.metadata.resourceVersion !== resourceVersion)
      await new Promise((resolve) => setImmediate(resolve));
  }

  put(...given: Parameters<typeof checkpointJson>): void {
    this.api.put(ROOT, checkpointJson(...given));
  }

  restoreOf(name: string) {
    const { status } = this.api.get(`${IN_TEAM}/${name}`) as unknown as {
      status: CheckpointObject["status"];
    };
    return status.restore;
  }

  /** Returns the number of admissions by result and reason. */
  async admissions(): Promise<Record<string, number>> {
    const text = await this.metrics.registry.metrics();
    const series = /^cedana_restore_admissions_total\{result="(\w+)",reason="(\w+)"\} (\d+)$/gm;
    return Object.fromEntries(
      [...text.matchAll(series)].map(([, result, reason, count]) => [`${result} ${reason}`, Number(count)]),
    );
  }

  replica(): Admitter {
    const { log, report } = this;
    const client = clientOn(this.api, this.cache);
    return new Admitter({
      settings: { nodeSelector: {} },
      methods: byPlan(CLASSES),
      client,
      candidates: new Candidates({ client, checkpoints: this.checkpoints, log }),
      claims: new Claims(client),
      deniedIn: (namespace) => this.checkpoints.deniedIn(namespace)?.message,
      report,
      log,
    });
  }

  /** A request of the API server; the pod is stored if it is admitted. */
  async create(
    replica: Admitter,
    given: Parameters<typeof podJson>[0],
    more: { dryRun?: boolean; lost?: boolean } = {},
  ) {
    const uid = `request-${++this.requests}`;
    const pod = podJson(given);
    const { dryRun = false } = more;
    const verdict = await replica.admit({ ...CREATION, uid, object: pod as unknown as Json, dryRun });
    const stored = verdict.allowed
      ? applyPatch(structuredClone(pod), verdict.patch as Operation[]).newDocument
      : undefined;
    if (stored && !dryRun && !more.lost)
      await this.api.send("POST", PODS, { type: "application/json", content: stored });
    return {
      verdict,
      from:
        stored &&
        ((stored.metadata.annotations as Record<string, string>)["cedana.ai/restore-checkpoint"] ?? "none"),
      stored,
      uid,
    };
  }
}
