/**
 * Checkpoints by the engine criu: one request for all containers of a pod, and recovery: a controller that crashes at any
 * step leaves no unfinished Checkpoint and no NodeCheckpoint.
 */
import { ApiError } from "../../../../kube/client";
import { nodeLabelValue, type NodeCheckpointStatus } from "../../../../api";
import { condition, Harness, NODE_CHECKPOINTS } from "./agents";
import { CHECKPOINTS, seconds } from "./support";

const DIGEST = `sha256:${"a".repeat(64)}`;
const IMAGE = `registry.example.com/checkpoints@${DIGEST}`;
const DONE = {
  conditions: [condition("Ready", "CheckpointCompleted", "done")],
  image: IMAGE,
  digest: DIGEST,
  sizeBytes: 17,
  architecture: "amd64",
  frozenMilliseconds: 120,
  containers: [
    { name: "a", baseImage: "base@sha256:bb", notRestored: [{ code: "tcp", message: "2 connections" }] },
    { name: "b" },
  ],
} as unknown as NodeCheckpointStatus;

let harness: Harness;
const uid = () => harness.api.get(`${CHECKPOINTS}/one`)?.metadata.uid ?? "";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness(["a", "b"]);
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("requests all containers at once and records one image for them", async () => {
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  const [created, ...more] = await harness.nodeCheckpoints();
  expect(more).toEqual([]);
  expect(created).toMatchObject({
    metadata: { name: uid(), labels: { "automation.cedana.ai/node": nodeLabelValue("n1") } },
    spec: {
      nodeName: "n1",
      podRef: { namespace: "team-a", name: "counter-0" },
      containerNames: ["a", "b"],
      options: { tcp: "loopback", preDump: "off", leaveRunning: true, freezeSeconds: 45 },
      image: `registry.example.com/checkpoints:${uid()}`,
      timeoutSeconds: 300,
    },
  });
  expect(created).not.toHaveProperty("spec.containerName");
  expect(harness.outcome()).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message: "criu checkpoints container a, b",
    containers: [{ startTime: expect.any(String) }, { startTime: expect.any(String) }],
  });
  harness.edit(uid(), DONE);
  await seconds(2);
  const common = { checkpointID: DIGEST, location: IMAGE, architecture: "amd64" };
  expect(harness.outcome()).toMatchObject({
    is: "Ready CheckpointCompleted",
    message: "checkpointed a, b",
    sizeBytes: 17,
    frozenMilliseconds: 120,
    containers: [
      {
        name: "a",
        image: "image-a",
        ...common,
        baseImage: "base@sha256:bb",
        notRestored: [{ code: "tcp", message: "2 connections" }],
      },
      { name: "b", image: "image-b", ...common },
    ],
  });
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

/** Takes a checkpoint whose agent reports an image. */
async function reports(image: string | undefined): Promise<void> {
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  harness.edit(uid(), { ...DONE, image });
  await seconds(2);
}

test.each([
  undefined,
  "registry.example.com/checkpoints:1",
  "registry.example.com/checkpoints@sha256:aa",
  `registry.example.com/checkpoints/other@${DIGEST}`,
  `evil.example.com/checkpoints@${DIGEST}`,
])("fails if the agent reports the image %s", async (image) => {
  await reports(image);
  expect(harness.outcome()).toMatchObject({
    is: "Failed CheckpointFailed",
    message: expect.stringContaining(
      `the agent reported ${image ?? "no image"}; allowed: registry.example.com/checkpoints@sha256:<digest>`,
    ),
  });
  expect(JSON.stringify(harness.outcome())).not.toContain('"location"');
});

test("with one repository per namespace, requests and accepts only that of the pod", async () => {
  harness.perNamespace();
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  expect(harness.api.get(`${NODE_CHECKPOINTS}/${uid()}`)).toMatchObject({
    spec: { image: `registry.example.com/checkpoints/team-a:${uid()}` },
  });
  const image = `registry.example.com/checkpoints/team-a@${DIGEST}`;
  harness.edit(uid(), { ...DONE, image });
  await seconds(2);
  expect(harness.outcome()).toMatchObject({
    is: "Ready CheckpointCompleted",
    containers: [{ location: image }, { location: image }],
  });
});

test.each([
  `registry.example.com/checkpoints@${DIGEST}`,
  `registry.example.com/checkpoints/team-b@${DIGEST}`,
  `registry.example.com/checkpoints/team-a/x@${DIGEST}`,
])("with one repository per namespace, fails if the agent reports %s", async (image) => {
  harness.perNamespace();
  await reports(image);
  expect(harness.outcome()).toMatchObject({
    is: "Failed CheckpointFailed",
    message: expect.stringContaining(
      `the agent reported ${image}; allowed: registry.example.com/checkpoints/team-a@sha256:<digest>`,
    ),
  });
});

test("names the images of the containers by digest, also if it crashed before the request", async () => {
  const image = `docker.io/library/image-a@sha256:${"c".repeat(64)}`;
  harness.api.edit("/api/v1/namespaces/team-a/pods/counter-0", (pod) => {
    Object.assign((pod as { status?: object }).status ?? {}, {
      containerStatuses: [
        { name: "a", imageID: image, restartCount: 2 },
        // An image without a repository has only the digest of its config.
        { name: "b", imageID: `sha256:${"d".repeat(64)}` },
      ],
    });
  });
  harness.api.before = ({ method, path }) => {
    if (method === "POST" && path.endsWith("/nodecheckpoints")) throw new Error("no response");
  };
  await harness.checkpoint();
  const first = harness.start();
  await seconds(2);
  expect(harness.outcome()).toMatchObject({
    is: "Progressing CheckpointInProgress",
    containers: [{ name: "a", image: "image-a", restartCount: 2, baseImage: image }, { name: "b" }],
  });
  first.kill();
  harness.api.before = undefined;
  harness.start();
  await seconds(2);
  const [created] = await harness.nodeCheckpoints();
  expect(created).toMatchObject({ spec: { baseImages: [{ name: "a", image }] } });
});

test("checkpoints sidecars with the containers, and no other init container", async () => {
  const image = `docker.io/library/proxy@sha256:${"c".repeat(64)}`;
  harness.api.edit("/api/v1/namespaces/team-a/pods/counter-0", (pod) => {
    Object.assign((pod as { spec?: object }).spec ?? {}, {
      initContainers: [
        { name: "setup", image: "setup:1" },
        { name: "proxy", image: "proxy:1", restartPolicy: "Always" },
      ],
    });
    Object.assign((pod as { status?: object }).status ?? {}, {
      initContainerStatuses: [{ name: "proxy", imageID: image }],
    });
  });
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  const [created] = await harness.nodeCheckpoints();
  expect(created).toMatchObject({
    spec: { containerNames: ["a", "b", "proxy"], baseImages: [{ name: "proxy", image }] },
  });
});

test.each([
  [{ containers: ["b"] }, { containerNames: ["b"], options: { leaveRunning: true } }],
  [{ leaveRunning: false }, { containerNames: ["a", "b"], options: { leaveRunning: false } }],
])("passes %j on to the agent", async (spec, expected) => {
  await harness.checkpoint(spec);
  harness.start();
  await seconds(2);
  const [created] = await harness.nodeCheckpoints();
  expect(created).toMatchObject({ spec: expected });
});

test.each([
  ["CheckpointNotPossible", "CheckpointNotPossible"],
  ["QuotaExceeded", "QuotaExceeded"],
  ["CheckpointFailed", "CheckpointFailed"],
])("fails with the agent's reason %s and message", async (reason, expected) => {
  harness.agent({ conditions: [condition("Failed", reason, "container b: why") as never] });
  await harness.checkpoint();
  harness.start();
  await seconds(4);
  expect(harness.outcome()).toMatchObject({ is: `Failed ${expected}`, message: "container b: why" });
  expect(harness.outcome()).not.toHaveProperty("sizeBytes");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("refuses a location, because checkpoints are images", async () => {
  await harness.checkpoint({ location: "/var/x" });
  harness.start();
  await seconds(2);
  expect(harness.outcome()).toMatchObject({
    is: "Failed CheckpointFailed",
    message: "engine criu does not support location: the configuration names the repository",
  });
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("a missing permission leaves the Checkpoint pending, and it is requested again", async () => {
  harness.api.before = ({ method, path }) => {
    if (method === "POST" && path.endsWith("/nodecheckpoints")) throw new ApiError(403, "forbidden");
  };
  await harness.checkpoint();
  harness.start();
  await seconds(4);
  expect(harness.outcome()).toMatchObject({ is: "- -" });
  expect(harness.outcome().message).toMatch(/^engine criu is unreachable: cannot create a NodeCheckpoint/);
  harness.api.before = undefined;
  harness.agent(DONE);
  await seconds(30);
  expect(harness.outcome().is).toBe("Ready CheckpointCompleted");
});

test("fails if the agent does not report, and waits longer for one that works", async () => {
  await harness.checkpoint();
  harness.start();
  await seconds(85);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  await seconds(25);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(harness.outcome().message).toMatch(
    /^the agent of node n1 did not report within 90 s; check its pod/,
  );
  expect(await harness.nodeCheckpoints()).toEqual([]);
  await harness.end();

  harness = new Harness(["a", "b"]);
  await harness.checkpoint();
  harness.start();
  await seconds(5);
  const working = condition("Progressing", "CheckpointInProgress", "to the service");
  harness.edit(uid(), { conditions: [working as never] });
  await seconds(300);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  await seconds(150);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(harness.outcome().message).toMatch(/its last message: to the service$/);
});

test("a NodeCheckpoint deleted by another client fails the Checkpoint with a known outcome", async () => {
  await harness.checkpoint();
  harness.start();
  await seconds(5);
  harness.api.remove(`${NODE_CHECKPOINTS}/${uid()}`);
  await seconds(22);
  expect(harness.outcome()).toMatchObject({ is: "Failed CheckpointFailed" });
  expect(harness.outcome().message).toContain("was deleted by another client");
});

test("a request in flight at SIGTERM continues; the next controller records its outcome", async () => {
  await harness.checkpoint();
  const first = harness.start();
  await seconds(3);
  first.stop();
  await seconds(15);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  first.kill();
  harness.edit(uid(), DONE);
  harness.start();
  await seconds(3);
  expect(harness.outcome().is).toBe("Ready CheckpointCompleted");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("after a crash at any step the next leader continues, and no NodeCheckpoint remains", async () => {
  let steps = 0;
  for (let step = 1; ; step++) {
    harness = new Harness(["a", "b"]);
    harness.agent(DONE);
    await harness.checkpoint();
    const first = harness.start(step);
    await seconds(8);
    const died = first.dead;
    first.kill();
    harness.start();
    await seconds(20);
    expect([step, harness.outcome().is]).toEqual([step, "Ready CheckpointCompleted"]);
    expect(harness.outcome().containers?.map(({ location }) => location)).toEqual([IMAGE, IMAGE]);
    expect(new Set(harness.requested)).toEqual(new Set([uid()]));
    // The outcome was written before the NodeCheckpoint was deleted: the next sweep deletes it.
    await seconds(600);
    expect(await harness.nodeCheckpoints()).toEqual([]);
    await harness.end();
    if (!died) break;
    steps = step;
  }
  expect(steps).toBeGreaterThanOrEqual(5);
});
