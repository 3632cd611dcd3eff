import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArchiveFolder } from "../../../../agent/checkpoints/archives";
import { Journal, type Entry } from "../../../../agent/checkpoints/journal";
import { pushWith } from "../../../../agent/checkpoints/push";
import { writeArchive } from "../../../support/checkpoint-archive";
import { FakeRegistry } from "../../../support/registry";

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

test("the journal survives a restart; it ignores partial entries and keeps files of others", async () => {
  const warnings: unknown[] = [];
  const log = { warn: (...line: unknown[]) => void warnings.push(line) };
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

test("an archive belongs to a request if it is new, of that container and of the second of the request", async () => {
  const archives = new ArchiveFolder(folder);
  const at = Date.parse("2026-11-21T15:00:10.400Z");
  const name = (time: string, container = "app") => `checkpoint-web_shop-${container}-${time}.tar`;
  const make = (...names: string[]) => names.forEach((one) => writeFileSync(join(folder, one), ""));
  make(name("2026-11-21T15:00:09Z"), name("2026-11-21T15:00:16Z"), name("2026-11-21T15:00:10Z", "app-b"));
  make("checkpoint-web_shop-app-x.tar", name("2026-11-21T15:00:12Z"));
  expect(await archives.askedAt(spec, at, [name("2026-11-21T15:00:12Z")])).toBeUndefined();
  expect(await archives.askedAt(spec, at, [])).toBe(join(folder, name("2026-11-21T15:00:12Z")));
  // The kubelet writes its local time zone.
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

test("an archive is pushed as an image with credentials of a Docker config", async () => {
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
const name = (time: string) => `checkpoint-web_shop-app-${time}.tar`;
