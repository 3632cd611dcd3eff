import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArchiveFolder } from "../../../../agent/checkpoints/archives";
import { Journal, type Entry } from "../../../../agent/checkpoints/journal";
import { pushWith } from "../../../../agent/checkpoints/push";
import { writeArchive } from "../../../support/checkpoint-archive";
import { FakeRegistry } from "../../../support/registry";
import { COLLECTION, Node } from "./support";

let node: Node;
beforeEach(() => {
  node = new Node();
});
afterEach(() => node.end());

const run = async (...names: string[]) => {
  await node.start().ready;
  await node.settled(names);
};

test("what it says of a checkpoint", async () => {
  node.ask("one");
  await run("one");
  expect(node.said("one")).toBe("Ready CheckpointCompleted");
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
  node.ask("1");
  node.ask("2");
  node.ask("3", { container: "b" });
  node.ask("4", { container: "c" });
  await node.start().ready;
  await node.until(() => node.asked.length === 2 && node.said("4") === "- Pending");
  expect(node.asked).toEqual(["web/app", "web/b"]);
  expect(node.said("2")).toBe("- Pending");
  expect(node.message("2")).toBe("another checkpoint of container shop/web/app is in progress");
  expect(node.message("4")).toBe("the node has reached maxConcurrent (2)");
  await node.settled(["1", "2", "3", "4"]);
  expect(node.pushed.size).toBe(4);
  expect(node.wrong).toEqual([]);
});

test("a pod of the name that is another one is not pushed", async () => {
  node.ask("one");
  node.api.edit(`${COLLECTION}/one`, (object) => {
    (object["spec"] as { podRef: { uid: string } }).podRef.uid = "uid-before";
  });
  await run("one");
  expect(node.said("one")).toBe("Failed SourcePodReplaced");
  expect(node.message("one")).toBe("pod shop/web has UID uid-of-web and not uid-before: it was replaced");
  expect([node.files(), [...node.pushed]]).toEqual([[], []]);
});

test("images go where the settings say, and nowhere else", async () => {
  node.ask("one", { image: "registry.example.com/elsewhere:one" });
  await run("one");
  expect(node.said("one")).toBe("Failed RegistryFailed");
  expect(node.asked).toEqual([]);
});

test("a registry that is down: tried until time is over, said meanwhile, and the archive goes", async () => {
  node.registryDown = true;
  node.ask("one", { timeoutSeconds: 1 });
  await node.start().ready;
  await node.until(() => node.message("one").includes("again after"));
  expect(node.said("one")).toBe("Progressing Pushing");
  expect(node.message("one")).toMatch(/again after: upload of a blob .* 503 down$/);
  expect(node.object("one")?.status.archive).toBe(join(node.archives, node.files()[0]!));
  await node.settled(["one"]);
  expect(node.said("one")).toBe("Failed RegistryFailed");
  expect(node.message("one")).toMatch(/could not be pushed within the 1 s .* 503 down$/);
  expect(node.files()).toEqual([]);
});

test("the disk: what is too much is not asked for, or goes at once; the figures are said", async () => {
  node.registryDown = true;
  node.archiveBytes = 600_000;
  node.maxConcurrent = 4;
  await node.start().ready;
  node.ask("1", { container: "a", timeoutSeconds: 4 });
  await node.until(() => node.said("1") === "Progressing Pushing");
  node.ask("2", { container: "b" });
  await node.until(() => node.said("2").startsWith("Failed"));
  expect(node.said("2")).toBe("Failed QuotaExceeded");
  expect(node.message("2")).toMatch(/^archives of the agent take 1 MiB of the 0\.954 MiB/);
  // The first stays and is tried on.
  expect([node.said("1"), node.files()]).toEqual(["Progressing Pushing", [expect.stringContaining("-a-")]]);

  const asked = node.asked.length;
  node.freeBytes = 999;
  node.ask("3", { container: "c" });
  await node.until(() => node.said("3").startsWith("Failed"));
  expect(node.said("3")).toBe("Failed QuotaExceeded");
  expect(node.message("3")).toMatch(/has 0\.001 MiB free, and 0\.001 MiB are to stay free/);
  expect(node.asked).toHaveLength(asked);
});

test("told to stop it begins nothing, and the next process goes on", async () => {
  node.dumpMs = 50;
  node.ask("one");
  const first = node.start();
  await first.ready;
  await node.until(() => node.asked.length === 1);
  node.ask("two", { container: "b" });
  await first.stop();
  // The kubelet was waited for: what it has written is known.
  expect(node.journal()).toHaveLength(1);
  expect(node.files()).toHaveLength(1);
  await run("one", "two");
  expect([node.said("one"), node.said("two")]).toEqual([
    "Ready CheckpointCompleted",
    "Ready CheckpointCompleted",
  ]);
  expect(node.asked).toEqual(["web/app", "web/b"]);
});

test("a kubelet that is away for a moment is asked again", async () => {
  node.answers = ["unreachable", "unreachable"];
  node.ask("one");
  await run("one");
  expect([node.said("one"), node.asked.length]).toEqual(["Ready CheckpointCompleted", 3]);
});

describe("on the disk", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "agent-disk-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const spec = {
    nodeName: "n1",
    podRef: { namespace: "shop", name: "web", uid: "u" },
    containerName: "app",
    image: "r/x:1",
    timeoutSeconds: 60,
  };
  const entry: Entry = { uid: "u-1", name: "one", spec, phase: "asked", startMs: 1, askedMs: 2, before: [] };

  test("a journal outlives the process; a part of an entry is none, what is not ours stays", async () => {
    const warnings: unknown[] = [];
    const log = { warn: (...said: unknown[]) => void warnings.push(said) };
    const open = async () => {
      const journal = new Journal(join(folder, "state"), log as never);
      await journal.load();
      return journal;
    };
    await (await open()).put(entry);
    writeFileSync(join(folder, "state", "u-2.json.tmp"), '{"uid":');
    writeFileSync(join(folder, "state", "u-3.json"), '{"uid":');
    const journal = await open();
    expect(journal.list()).toEqual([entry]);
    expect(warnings).toHaveLength(1);
    expect(readdirSync(join(folder, "state")).toSorted()).toEqual(["u-1.json", "u-3.json"]);
    await journal.remove("u-1");
    expect((await open()).list()).toEqual([]);
  });

  test("an archive is ours if it is of the container, new, and of the second in which the kubelet was asked", async () => {
    const archives = new ArchiveFolder(folder);
    const at = Date.parse("2026-11-21T15:00:10.400Z");
    const name = (time: string, container = "app") => `checkpoint-web_shop-${container}-${time}.tar`;
    const make = (...names: string[]) => names.forEach((one) => writeFileSync(join(folder, one), ""));
    make(name("2026-11-21T15:00:09Z"), name("2026-11-21T15:00:16Z"), name("2026-11-21T15:00:10Z", "app-b"));
    make("checkpoint-web_shop-app-x.tar", name("2026-11-21T15:00:12Z"));
    expect(await archives.askedAt(spec, at, [name("2026-11-21T15:00:12Z")])).toBeUndefined();
    expect(await archives.askedAt(spec, at, [])).toBe(join(folder, name("2026-11-21T15:00:12Z")));
    // The kubelet writes its own zone.
    make(name("2026-11-21T16:00:11+01:00"));
    expect(await archives.askedAt(spec, at, [])).toBe(join(folder, name("2026-11-21T16:00:11+01:00")));
    await expect(archives.remove("/etc/passwd")).rejects.toThrow("is no archive in");
    await expect(archives.remove(join(folder, "../x/checkpoint-a-2026-11-21T15:00:09Z.tar"))).rejects.toThrow(
      "is no archive in",
    );
    await archives.remove(join(folder, name("2026-11-21T15:00:09Z")));
    expect(existsSync(join(folder, name("2026-11-21T15:00:09Z")))).toBe(false);
    expect(await new ArchiveFolder(join(folder, "none")).of(spec)).toEqual([]);
    expect(await new ArchiveFolder(join(folder, "none")).freeBytes()).toBeGreaterThan(0);
  });

  test("an archive becomes an image in a registry that wants a password", async () => {
    const registry = await new FakeRegistry({ auth: "basic", username: "me", password: "secret" }).start();
    const file = join(folder, name("2026-11-21T15:00:09Z"));
    await writeArchive(file);
    const dockerConfig = join(folder, "config.json");
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(dockerConfig, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const image = `${registry.host}/checkpoints/web:1`;
    const given = { file, image, check: () => {}, signal: new AbortController().signal };
    const push = pushWith({ credentials: "docker-config", dockerConfig }, async () => undefined);
    const pushed = await push(given);
    expect(pushed.image).toBe(`${registry.host}/checkpoints/web@${pushed.digest}`);
    expect(registry.manifests.size).toBeGreaterThan(0);
    const stored = registry.blobs.size;
    const refusing = () => {
      throw new Error("another pod");
    };
    await expect(push({ ...given, image: `${image}0`, check: refusing })).rejects.toThrow("another pod");
    await expect(pushWith({ credentials: "ecr" }, async () => undefined)(given)).rejects.toThrow(
      "no AWS identity",
    );
    expect(registry.blobs.size).toBe(stored);
    await registry.stop();
  });
});
const name = (time: string) => `checkpoint-web_shop-app-${time}.tar`;
