/** The webhook's reader of reviews, and its decision on any pod. */
import * as fc from "fast-check";
import { applyPatch, type Operation } from "fast-json-patch";
import { NOT_RESTORED, RECORD, REQUEST, RESTORED_FROM } from "../../../api";
import { projectCheckpoint } from "../../../controller/checkpoints/objects";
import {
  decide,
  mutation,
  original,
  projectAdmittedPod,
  readRequest,
  type Decision,
} from "../../../controller/restore/decision";
import { isObject, type Json } from "../../../http";
import { at, InvalidReviewError, textsAt } from "../../../kube";
import { readReview, writeReview } from "../../../kube/webhook/review";
import {
  byPlan,
  checkpointJson,
  CLASSES,
  NODES,
  podJson,
  saved,
} from "../../unit/controller/restore/support";
import { jsonTexts, mutatedJson } from "../generate";
import { attempt, must, target, Violation } from "../target";

const PODS = [
  podJson(),
  podJson({
    annotations: { [REQUEST.from]: "before", [REQUEST.fallback]: "stop", [REQUEST.shared]: "true" },
  }),
  podJson({
    generateName: "api-6c-",
    owner: { kind: "ReplicaSet", name: "api-6c" },
    labels: { "pod-template-hash": "6c" },
  }),
  podJson({
    annotations: {
      [RECORD.claim]: "earlier",
      [RECORD.plan]: "uid-before",
      [RECORD.checkpoint]: "before",
      [RECORD.placement]: JSON.stringify({ runtimeClass: CLASSES.amd64, nodeSelector: NODES }),
    },
    spec: {
      runtimeClassName: CLASSES.amd64,
      nodeSelector: NODES,
      initContainers: [{ name: "s", restartPolicy: "Always" }],
    },
  }),
] as unknown as readonly Json[];
const REVIEWS = PODS.map((object) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "request-1",
    userInfo: { username: "dev", groups: ["system:authenticated"] },
    namespace: "team-a",
    resource: { group: "", version: "v1", resource: "pods" },
    operation: "CREATE",
    object,
    dryRun: false,
  },
})) as unknown as readonly Json[];
const CHECKPOINTS = [
  checkpointJson(),
  checkpointJson({ name: "newer", minutes: 5 }),
  checkpointJson({ name: "claimed", minutes: 9, status: { restore: { state: "Claimed", claim: "other" } } }),
  checkpointJson({
    name: "api",
    pod: "api-6c-abcde",
    owner: { kind: "ReplicaSet", name: "api-6c" },
    hash: "6c",
  }),
  checkpointJson({ name: "two", containers: [saved("app"), saved("side", { architecture: "arm64" })] }),
] as unknown as readonly Json[];
const WORDS = [
  ...Object.values(REQUEST),
  ...Object.values(RECORD),
  RESTORED_FROM,
  "latest",
  "before",
  "newer",
  "stop",
  "fresh",
  "true",
  "uid-before",
  "kubernetes.io/arch",
  "cedana.ai/enabled",
  "nodeSelector",
  "runtimeClassName",
  CLASSES.amd64,
];

/** What the webhook may change. */
const MAY_CHANGE =
  /^\/(metadata\/(labels|annotations)(\/[^/]+)?|spec\/(runtimeClassName|nodeSelector(\/[^/]+)?))$/;
const PLACEMENTS = { nodeSelector: NODES, methods: byPlan(CLASSES) };

function decisionOn(raw: Json, checkpoints: readonly Json[]): Decision {
  const pod = projectAdmittedPod(original(raw, PLACEMENTS));
  const request = readRequest(pod.annotations);
  if (typeof request === "string") return { is: "invalid", reason: request, cause: "InvalidRequest" };
  const known = checkpoints.map(projectCheckpoint);
  return decide(pod, request, known, { running: new Set(), ...PLACEMENTS });
}

/** Whether the API server would have sent the pod: it decodes these fields before it calls a webhook. */
function isPod(raw: Json): boolean {
  const maps = [
    at(raw, "metadata", "labels"),
    at(raw, "metadata", "annotations"),
    at(raw, "spec", "nodeSelector"),
  ];
  return (
    isObject(at(raw, "metadata")) &&
    isObject(at(raw, "spec")) &&
    maps.every(
      (map) =>
        map === undefined ||
        map === null ||
        (isObject(map) && Object.values(map).every((value) => typeof value === "string")),
    )
  );
}

const reviews = target({
  name: "webhook-review",
  reads: "AdmissionReview of any client of the webhook's port",
  inputs: jsonTexts(REVIEWS, WORDS),
  runs: 4_000,
  check(text) {
    const { value } = attempt(() => readReview(text), InvalidReviewError);
    if (value === undefined) return;
    must(
      [value.uid, value.resource, value.operation, value.user].every((one) => typeof one === "string"),
      "a field that is not text",
    );
    must(
      value.namespace === undefined || typeof value.namespace === "string",
      "a namespace that is not text",
    );
    must(typeof value.dryRun === "boolean", "dryRun is not true or false");
    const answers = [
      { allowed: false, code: 403, message: value.uid },
      { allowed: true, patch: [{ op: "add", path: "/x", value: value.uid }], warnings: [value.uid] },
    ] as const;
    for (const answer of answers) {
      const { response } = JSON.parse(writeReview(value.uid, answer)) as {
        response: { uid: string; allowed: boolean };
      };
      must(
        response.uid === value.uid && response.allowed === answer.allowed,
        "another response once it is printed",
      );
    }
    decisionOn(value.object, CHECKPOINTS);
  },
});

const decisions = target({
  name: "webhook-decision",
  reads: "pods in admission, with any annotations, and the Checkpoints of their namespace",
  inputs: fc.record({
    pod: mutatedJson(PODS, WORDS),
    checkpoints: fc.array(fc.constantFrom(...CHECKPOINTS), { maxLength: 5 }),
  }),
  runs: 4_000,
  check({ pod, checkpoints }) {
    const decision = decisionOn(pod, checkpoints);
    if (!isPod(pod) || decision.is === "busy" || decision.is === "invalid") return;
    // Only a restore, and a pod that is admitted fresh because others were not created, are recorded as claims.
    const claimOf = ({ is }: Decision) => (is === "restore" ? "request-2" : undefined);
    const patch = mutation(pod, decision, claimOf(decision), PLACEMENTS);
    const others = patch.filter(({ path }) => !MAY_CHANGE.test(path)).map(({ path }) => path);
    must(others.length === 0, `changes ${others.join()}`);
    const stored = applyPatch(structuredClone(pod), structuredClone(patch) as Operation[]).newDocument;
    const labels = textsAt(stored, "metadata", "labels");
    const annotations = textsAt(stored, "metadata", "annotations");
    checkRecords(decision, labels, annotations, checkpoints);
    must(
      JSON.stringify(at(stored, "spec", "containers")) === JSON.stringify(at(pod, "spec", "containers")),
      "changes containers",
    );
    // A second call of the API server for the same pod, with the claim of the first.
    const again = decisionOn(stored, checkpoints);
    if (again.is !== decision.is)
      throw new Violation(`decides ${again.is} on the pod that it changed, after ${decision.is}`);
    const twice = applyPatch(
      structuredClone(stored),
      structuredClone(mutation(stored, again, claimOf(again), PLACEMENTS)) as Operation[],
    );
    must(
      JSON.stringify(sorted(twice.newDocument)) === JSON.stringify(sorted(stored)),
      "changes the pod again",
    );
  },
});

function checkRecords(
  decision: Extract<Decision, { is: "restore" | "fresh" | "deny" }>,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
  checkpoints: readonly Json[],
): void {
  const names = [RECORD.plan, RECORD.claim, RECORD.checkpoint, RECORD.containers, RECORD.placement];
  if (decision.is === "restore") {
    const { uid } = decision.checkpoint.metadata;
    must(
      labels[RESTORED_FROM] === uid && annotations[RECORD.plan] === uid,
      "the records name another Checkpoint",
    );
    must(
      checkpoints.some((one) => at(one, "metadata", "uid") === uid),
      "a Checkpoint that is not in the namespace",
    );
    must(annotations[RECORD.skipped] === undefined, "a restored pod has a reason for a fresh start");
    return;
  }
  // Fails closed: nothing of a restore is left, whatever the pod had.
  must(
    names.every((name) => annotations[name] === undefined),
    "records of a restore are left",
  );
  must(
    labels[RESTORED_FROM] === (decision.is === "fresh" ? NOT_RESTORED : undefined),
    `label ${labels[RESTORED_FROM]}`,
  );
  const reason = annotations[RECORD.skipped] ?? "";
  must(
    reason !== "" && reason.length <= 1024 && !reason.includes("\n"),
    `the reason is ${JSON.stringify(reason)}`,
  );
}

/** Returns the value with sorted keys: the order in an object has no meaning. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter((entry): entry is [string, Json] => entry[1] !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

export const WEBHOOK_TARGETS = [reviews, decisions];
