import { join } from "node:path";
import { VirtualTime } from "../../../../support/virtual-time";
import { COLLECTION, Node } from "./support";

let time: VirtualTime;
let node: Node;
beforeEach(() => {
  time = new VirtualTime().install();
  node = new Node(time);
});
afterEach(() => {
  node.end();
  time.uninstall();
});

const run = async (...names: string[]) => {
  await node.start().ready;
  await node.finished(names);
};

test("reports the result of a checkpoint in the status", async () => {
  node.request("one");
  await run("one");
  expect(node.condition("one")).toBe("Ready CheckpointCompleted");
  const { status } = node.object("one")!;
  expect(status).toMatchObject({
    image: "registry.example.com/checkpoints:one@d",
    digest: "d",
    sizeBytes: 100,
    architecture: "amd64",
    baseImage: "base@sha256:aa",
    checkpointedTime: "1970-01-01T00:00:00.000Z",
    frozenMilliseconds: 12,
    observedGeneration: 1,
  });
  expect(status.notRestored?.map(({ code }) => code)).toEqual(["dev-shm", "restart"]);
  expect(Date.parse(status.completionTime ?? "")).toBeGreaterThanOrEqual(Date.parse(status.startTime ?? ""));
  expect(node.files()).toEqual([]);
});

test("limits checkpoints per container and per node, and reports why one is pending", async () => {
  node.dumpMs = 60;
  node.request("1");
  node.request("2");
  node.request("3", { container: "b" });
  node.request("4", { container: "c" });
  await node.start().ready;
  await node.until(() => node.requests.length === 2 && node.condition("4") === "- Pending");
  expect(node.requests).toEqual(["web/app", "web/b"]);
  expect(node.condition("2")).toBe("- Pending");
  expect(node.message("2")).toBe("another checkpoint of container shop/web/app is in progress");
  expect(node.message("4")).toBe("the node has reached maxConcurrent (2)");
  await node.finished(["1", "2", "3", "4"]);
  expect(node.pushed.size).toBe(4);
  expect(node.violations).toEqual([]);
});

test("does not push the archive of a pod that was replaced", async () => {
  node.request("one");
  node.api.edit(`${COLLECTION}/one`, (object) => {
    (object["spec"] as { podRef: { uid: string } }).podRef.uid = "uid-before";
  });
  await run("one");
  expect(node.condition("one")).toBe("Failed SourcePodReplaced");
  expect(node.message("one")).toBe("pod shop/web was replaced: its UID is uid-of-web, not uid-before");
  expect([node.files(), [...node.pushed]]).toEqual([[], []]);
});

test("rejects an image outside the configured repository before any request to the kubelet", async () => {
  node.request("one", { image: "registry.example.com/elsewhere:one" });
  await run("one");
  expect(node.condition("one")).toBe("Failed RegistryFailed");
  expect(node.requests).toEqual([]);
});

test("retries a push while the registry is down, until the timeout, then removes the archive", async () => {
  node.registryDown = true;
  node.request("one", { timeoutSeconds: 1 });
  await node.start().ready;
  await node.until(() => node.message("one").includes("retrying after"));
  expect(node.condition("one")).toBe("Progressing Pushing");
  expect(node.message("one")).toMatch(/retrying after: upload of a blob .* 503 down$/);
  expect(node.object("one")?.status.archive).toBe(join(node.archives, node.files()[0]!));
  await node.finished(["one"]);
  expect(node.condition("one")).toBe("Failed RegistryFailed");
  expect(node.message("one")).toMatch(/could not be pushed within 1 s: .* 503 down$/);
  expect(node.files()).toEqual([]);
});

test("checks quota and free space before a request to the kubelet, and reports the figures", async () => {
  node.registryDown = true;
  node.archiveBytes = 600_000;
  node.maxConcurrent = 4;
  await node.start().ready;
  node.request("1", { container: "a", timeoutSeconds: 4 });
  await node.until(() => node.condition("1") === "Progressing Pushing");
  node.request("2", { container: "b" });
  await node.until(() => node.condition("2").startsWith("Failed"));
  expect(node.condition("2")).toBe("Failed QuotaExceeded");
  expect(node.message("2")).toMatch(/^the agent's archives use 1 MiB of the quota of 0\.954 MiB/);
  // The first archive is kept and its push retried.
  expect([node.condition("1"), node.files()]).toEqual([
    "Progressing Pushing",
    [expect.stringContaining("-a-")],
  ]);

  const requests = node.requests.length;
  node.freeBytes = 999;
  node.request("3", { container: "c" });
  await node.until(() => node.condition("3").startsWith("Failed"));
  expect(node.condition("3")).toBe("Failed QuotaExceeded");
  expect(node.message("3")).toMatch(/has 0\.001 MiB free, less than the reserve of 0\.001 MiB/);
  expect(node.requests).toHaveLength(requests);
});

test("starts no further job on SIGTERM, and the next process resumes", async () => {
  node.dumpMs = 50;
  node.request("one");
  const first = node.start();
  await first.ready;
  await node.until(() => node.requests.length === 1);
  node.request("two", { container: "b" });
  await time.settle(first.stop());
  // The process waited for the kubelet and wrote the archive to the journal.
  expect(node.journal()).toHaveLength(1);
  expect(node.files()).toHaveLength(1);
  await run("one", "two");
  expect([node.condition("one"), node.condition("two")]).toEqual([
    "Ready CheckpointCompleted",
    "Ready CheckpointCompleted",
  ]);
  expect(node.requests).toEqual(["web/app", "web/b"]);
});

test("retries while the kubelet is unreachable", async () => {
  node.responses = ["unreachable", "unreachable"];
  node.request("one");
  await run("one");
  expect([node.condition("one"), node.requests.length]).toEqual(["Ready CheckpointCompleted", 3]);
});
