import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArchiveDirectory } from "../../../../../agent/engines/kubelet/archives";
import { pushWith } from "../../../../../agent/engines/kubelet/context";
import type { JournalEntry } from "../../../../../agent/engines/kubelet/journal";
import { Journal } from "../../../../../agent/work";
import { writeArchive } from "../../../../support/checkpoint-archive";
import { FakeRegistry } from "../../../../support/registry";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "agent-disk-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const spec = {
  nodeName: "n1",
  podRef: { namespace: "shop", name: "web", uid: "u" },
  containerName: "app",
  image: "r/x:1",
  timeoutSeconds: 60,
};
const entry: JournalEntry = {
  uid: "u-1",
  name: "one",
  spec,
  phase: "requested",
  startMs: 1,
  requestedMs: 2,
  before: [],
};

test("the journal survives a restart; it ignores partial entries and keeps other files", async () => {
  const warnings: unknown[] = [];
  const log = { warn: (...line: unknown[]) => void warnings.push(line) };
  const open = async () => {
    const journal = new Journal(join(directory, "state"), log as never);
    await journal.load();
    return journal;
  };
  await (await open()).put(entry);
  writeFileSync(join(directory, "state", "u-2.json.tmp"), '{"uid":');
  writeFileSync(join(directory, "state", "u-3.json"), '{"uid":');
  const journal = await open();
  expect(journal.list()).toEqual([entry]);
  expect(warnings).toHaveLength(1);
  expect(readdirSync(join(directory, "state")).toSorted()).toEqual(["u-1.json", "u-3.json"]);
  await journal.remove("u-1");
  expect((await open()).list()).toEqual([]);
});

test("an archive belongs to a request if it is new, of that container and of the second of the request", async () => {
  const archives = new ArchiveDirectory(directory);
  const at = Date.parse("2026-11-21T15:00:10.400Z");
  const name = (time: string, container = "app") => `checkpoint-web_shop-${container}-${time}.tar`;
  const make = (...names: string[]) => names.forEach((one) => writeFileSync(join(directory, one), ""));
  make(name("2026-11-21T15:00:09Z"), name("2026-11-21T15:00:16Z"), name("2026-11-21T15:00:10Z", "app-b"));
  make("checkpoint-web_shop-app-x.tar", name("2026-11-21T15:00:12Z"));
  expect(await archives.requestedAt(spec, at, [name("2026-11-21T15:00:12Z")])).toBeUndefined();
  expect(await archives.requestedAt(spec, at, [])).toBe(join(directory, name("2026-11-21T15:00:12Z")));
  // The kubelet writes its local time zone.
  make(name("2026-11-21T16:00:11+01:00"));
  expect(await archives.requestedAt(spec, at, [])).toBe(join(directory, name("2026-11-21T16:00:11+01:00")));
  await expect(archives.remove("/etc/passwd")).rejects.toThrow("is not an archive in");
  await expect(
    archives.remove(join(directory, "../x/checkpoint-a-2026-11-21T15:00:09Z.tar")),
  ).rejects.toThrow("is not an archive in");
  await archives.remove(join(directory, name("2026-11-21T15:00:09Z")));
  expect(existsSync(join(directory, name("2026-11-21T15:00:09Z")))).toBe(false);
  expect(await new ArchiveDirectory(join(directory, "none")).ofContainer(spec)).toEqual([]);
  expect(await new ArchiveDirectory(join(directory, "none")).freeBytes()).toBeGreaterThan(0);
});

test("pushes an archive as an image with the credentials of a Docker config", async () => {
  const registry = await new FakeRegistry({ auth: "basic", username: "me", password: "secret" }).start();
  const file = join(directory, name("2026-11-21T15:00:09Z"));
  await writeArchive(file);
  const dockerConfig = join(directory, "config.json");
  const auth = Buffer.from("me:secret").toString("base64");
  writeFileSync(dockerConfig, JSON.stringify({ auths: { [registry.host]: { auth } } }));
  const image = `${registry.host}/checkpoints/web:1`;
  const given = { file, image, check: () => {}, signal: new AbortController().signal };
  const push = pushWith({ credentials: "docker-config", dockerConfig }, async () => undefined);
  const pushed = await push(given);
  expect(pushed.image).toBe(`${registry.host}/checkpoints/web@${pushed.digest}`);
  expect(registry.manifests.size).toBeGreaterThan(0);
  const stored = registry.blobs.size;
  const rejecting = () => {
    throw new Error("another pod");
  };
  await expect(push({ ...given, image: `${image}0`, check: rejecting })).rejects.toThrow("another pod");
  await expect(pushWith({ credentials: "ecr" }, async () => undefined)(given)).rejects.toThrow(
    "no AWS identity",
  );
  expect(registry.blobs.size).toBe(stored);
  await registry.stop();
});
const name = (time: string) => `checkpoint-web_shop-app-${time}.tar`;
