import * as fc from "fast-check";
import { applyPatch, type Operation } from "fast-json-patch";
import { mutation, type Decision } from "../../../../controller/restore/decision";
import type { Json } from "../../../../kube";
import { byPlan, checkpoint, CLASSES, decided, NODES, podJson, saved, type Restored } from "./support";
import { assertProperty } from "../../../support/property";

const named = (from: string, more: Record<string, string> = {}) => ({
  annotations: { "cedana.ai/restore-from": from, ...more },
});

describe("a restore", () => {
  const TWO = {
    ...named("before"),
    containers: [
      { name: "log", image: "log:1" },
      {
        name: "app",
        image: "app:1",
        imagePullPolicy: "Always",
        volumeMounts: [{ name: "d", mountPath: "/data" }],
      },
    ],
  };
  const notes = [
    { code: "volume", message: "/data: its content is not in the checkpoint" },
    { code: "volume", message: "/config: its content is not in the checkpoint" },
    { code: "tcp", message: "2 open TCP connections" },
  ];
  const CHECKPOINT = [
    checkpoint({
      containers: [saved("app", { notRestored: notes })],
    }),
  ];

  test("warns of what is not restored, except volumes that the new pod mounts", () => {
    const { warnings } = decided(TWO, CHECKPOINT, ["uid-of-web-0"]) as Restored;
    expect(warnings).toEqual([
      "its source pod web-0 is still running: both resume from the same state",
      "container app: /config: its content is not in the checkpoint",
      "container app: 2 open TCP connections",
      "container log has no checkpoint and starts fresh",
    ]);
  });

  test("limits warnings to what the API server passes on", () => {
    const many = Array.from({ length: 90 }, (_, index) => ({
      code: "x",
      message: `${index} ${"é".repeat(300)}`,
    }));
    const { warnings } = decided(TWO, [
      checkpoint({ containers: [saved("app", { notRestored: many })] }),
    ]) as Restored;
    expect(Math.max(...warnings.map((text) => text.length))).toBeLessThanOrEqual(256);
    expect(Buffer.byteLength(warnings.join(""))).toBeLessThanOrEqual(4096);
    expect(warnings.at(-1)).toMatch(/^and \d+ more: see status.containers of Checkpoint before$/);
  });

  const patched = (pod: object, decision: Decision, claim?: string) => {
    if (decision.is !== "restore" && decision.is !== "fresh") throw new Error(decision.is);
    const raw = structuredClone(pod);
    const placements = { nodeSelector: NODES, methods: byPlan(CLASSES) };
    return applyPatch(raw, mutation(pod as unknown as Json, decision, claim, placements) as Operation[], true)
      .newDocument as ReturnType<typeof podJson>;
  };

  test("removes annotations of earlier decisions from the pod", () => {
    const forged = {
      "cedana.ai/restore-checkpoint": "mine",
      "cedana.ai/restore-claim": "c-0",
      "cedana.ai/restore-containers": "evil",
      "cedana.ai/restore-failed": "no",
    };
    const pod = podJson({
      ...named("gone", forged),
      labels: { "cedana.ai/restored-from": "uid-x", a: "b" },
    });
    const fresh = patched(pod, decided(named("gone"), []));
    expect(fresh.metadata.labels).toEqual({
      "cedana.ai/restored-from": "none",
      a: "b",
    });
    expect(fresh.metadata.annotations).toEqual({
      "cedana.ai/restore-from": "gone",
      "cedana.ai/restore-skipped": "Checkpoint gone does not exist in the namespace",
    });
    expect(fresh.spec).toEqual(pod.spec);
  });

  test("applies to any pod and is idempotent", () => {
    const pods = fc.record({
      labels: fc.option(
        fc.dictionary(fc.constantFrom("a", "a/b~c", "cedana.ai/restored-from"), fc.constant("x")),
      ),
      nodeSelector: fc.option(fc.dictionary(fc.constantFrom("a", "b"), fc.constant("x")), { nil: undefined }),
      restored: fc.boolean(),
      claim: fc.option(fc.constant("c"), { nil: undefined }),
    });
    assertProperty(
      fc.property(pods, ({ labels, nodeSelector, restored, claim }) => {
        const pod = podJson({
          ...TWO,
          spec: nodeSelector ? { nodeSelector } : {},
        });
        const raw = { ...pod, metadata: { ...pod.metadata, labels } };
        const decision = restored ? decided(TWO, CHECKPOINT) : decided(TWO, []);
        const once = patched(raw, decision, claim);
        expect(patched(once, decision, claim)).toEqual(once);
        expect(once.spec).toMatchObject(nodeSelector ? { nodeSelector } : {});
      }),
      50,
    );
  });
});
