/** Readers of what kubelets, container runtimes, agents and Cedana's manager write: texts in statuses, and responses. */
import * as fc from "fast-check";
import { RECORD, RESTORED_FROM } from "../../../api";
import { checkpointIdIn, imageRefIn } from "../../../clients/cedana/manager/responses";
import { UnexpectedResponseError } from "../../../clients/cedana/response";
import { CHECKS, CHECKS_CONDITION, HEALTH_CONDITION } from "../../../config/programs/agent";
import { checkSourcePod } from "../../../controller/checkpoints/objects";
import { projectPod } from "../../../controller/readiness/rules/objects";
import { RESTORED_POD } from "../../../controller/restore/pods";
import { retryAfterMs, type Json } from "../../../http";
import { isOlder } from "../../../kube/client/objects";
import { jsonTexts, mutatedText, mutatedTexts, pumped } from "../generate";
import { attempt, must, target } from "../target";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const pod = (status: object): Json =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web-0",
      namespace: "team-a",
      uid: "uid-1",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: { [RESTORED_FROM]: "uid-c", "pod-template-hash": "6c" },
      annotations: { [RECORD.containers]: "app,side", [RECORD.plan]: "uid-c", [RECORD.checkpoint]: "before" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "o", controller: true },
      ],
    },
    spec: { nodeName: "n1", containers: [{ name: "app", image: "app:1" }] },
    status,
  }) as unknown as Json;
const PODS = [
  pod({
    phase: "Running",
    conditions: [
      {
        type: "Ready",
        status: "False",
        reason: "ReadinessGatesNotReady",
        message: "gate",
        lastTransitionTime: "x",
      },
      { type: HEALTH_CONDITION, status: "False", message: "criu is missing" },
      { type: CHECKS_CONDITION, status: "True", message: "space=failed registry=warning" },
    ],
    containerStatuses: [
      {
        name: "app",
        imageID: `containerd://registry.example.com/app@${DIGEST}`,
        state: { running: {} },
        ready: true,
      },
    ],
  }),
  pod({
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }],
    containerStatuses: [
      {
        name: "app",
        imageID: `docker-pullable://app@${DIGEST}`,
        state: { waiting: { reason: "ImagePullBackOff", message: "back-off" } },
        lastState: { terminated: { exitCode: 1, reason: "Error" } },
      },
    ],
  }),
  pod({ phase: "Failed", reason: "Evicted", message: "disk pressure" }),
];
const STATUS_WORDS = [
  "space=failed",
  "registry=warning",
  "criu=failed criu=warning",
  "Running",
  "False",
  "app",
  `app@${DIGEST}`,
  "://",
];

const statuses = target({
  name: "pod-status",
  reads: "texts of pods' statuses: of kubelets, container runtimes and the health check",
  inputs: fc.oneof(
    { arbitrary: mutatedTexts(PODS, STATUS_WORDS), weight: 30 },
    {
      arbitrary: pumped([" ", "\n ", "space=failed ", "a-", "://", "@"], 65_536).map((text) =>
        pod({
          phase: "Failed",
          reason: text,
          message: text,
          conditions: [{ type: CHECKS_CONDITION, status: "True", message: text }],
          containerStatuses: [{ name: "app", imageID: text }],
        }),
      ),
      weight: 1,
    },
  ),
  runs: 3_000,
  check(raw) {
    const agent = projectPod(raw, { hashAnnotation: "hash" });
    const { unreadyReason: reason, checks = [] } = agent;
    const { containerStatuses = [] } =
      (raw as { status?: { containerStatuses?: { name: string }[] } }).status ?? {};
    // The API server accepts only DNS labels.
    const named = containerStatuses.every(({ name }) => /^[a-z0-9-]{1,63}$/.test(name));
    must(
      !named || reason === undefined || (reason.length < 1_100 && !/[\r\n]/.test(reason)),
      "the reason is not a short line",
    );
    const names = checks.map(({ check }) => check);
    must(
      names.every((name) => CHECKS.includes(name)) && new Set(names).size === names.length,
      "a check that is none, or twice",
    );
    const restored = RESTORED_POD.project(raw);
    must(
      restored.containers.every(({ name }) => name !== "" && !name.includes(",")),
      "a container without a name",
    );
    const source = checkSourcePod(raw, { podRef: { name: "web-0" } }, undefined, true);
    if (source.is !== "running") return;
    for (const { baseImage } of source.containers)
      must(
        baseImage === undefined || /^[^\s@]+@sha256:[0-9a-f]{64}$/.test(baseImage),
        `base image ${baseImage}`,
      );
  },
});

const ID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
const manager = target({
  name: "manager-answer",
  reads: "responses of Cedana's manager",
  inputs: fc.oneof(
    {
      arbitrary: jsonTexts(
        [{ checkpoint_id: ID }, { image_ref: "r.example.com/a:1" }, ID],
        ["checkpoint_id", "image_ref", "new_image_ref"],
      ),
      weight: 30,
    },
    { arbitrary: mutatedText([ID, `"${ID}"`, `'${ID}'\n`]), weight: 10 },
    { arbitrary: pumped(['"', "'", " ", "a", '"a'], 131_072), weight: 1 },
  ),
  runs: 5_000,
  check(text) {
    for (const [read, form] of [
      [(given: string) => checkpointIdIn(given, true), /^[A-Za-z0-9][A-Za-z0-9._:-]*$/],
      [(given: string) => checkpointIdIn(given, false), /^[A-Za-z0-9][A-Za-z0-9._:-]*$/],
      [imageRefIn, /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/],
    ] as const) {
      const { value } = attempt(() => read(text), UnexpectedResponseError);
      must(value === undefined || (form.test(value) && value.length <= 512), `read ${JSON.stringify(value)}`);
    }
  },
});

const headers = target({
  name: "api-headers",
  reads: "Retry-After and resource versions of API servers and proxies",
  inputs: fc.record({
    header: fc.oneof(
      mutatedText(["1", "120", "Fri, 27 Nov 2026 10:00:00 GMT"], ["9", "-", "e9", "."]),
      pumped(["9", " ", "1,"], 16_384),
    ),
    a: mutatedText(["1", "10", "99999999999999999999"], ["0", "9", "-"]),
    b: mutatedText(["2", "9", "100000000000000000000"], ["0", "9", "-"]),
  }),
  runs: 5_000,
  check({ header, a, b }) {
    const wait = retryAfterMs(header, Date.UTC(2026, 10, 27));
    must(wait === undefined || (Number.isFinite(wait) && wait >= 0), `wait ${wait} ms`);
    must(!(isOlder(a, b) && isOlder(b, a)), "each version is before the other");
    const isNumber = (text: string) => /^(0|[1-9]\d*)$/.test(text);
    const expected = isNumber(a) && isNumber(b) && BigInt(a) < BigInt(b);
    must(isOlder(a, b) === expected, `${a} before ${b}: ${!expected}`);
  },
});

export const CLUSTER_TARGETS = [statuses, manager, headers];
