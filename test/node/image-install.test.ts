/** Installation of CRIU on a host: complete after each kill, independent of the host, and removed without residue. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { debian, openImages, otherVersion, type Images } from "../../testbed/node/images";
import { killedAt } from "./support/kill";
import { needs, ran, run } from "../../testbed/node/run";
import { CountingContainer, runConfined } from "./support/runc";

let images: Images;
let files: string;
/** The image's program with its CRIU, as files on this machine; and the same with an older CRIU. */
let program: string;
let older: string;
let version: string;
const OLDER = "4.2.0-000000000000";
let host: string;
let folder: string;

beforeAll(() => {
  needs("setsid", "chroot", "runc");
  images = openImages();
  images.build(join(images.folder, "out"));
  files = images.container("node-agent:test").files;
  program = join(files, "usr/local/bin/cedana-node-agent");
  older = join(otherVersion(files, join(images.folder, "older")), "usr/local/bin/cedana-node-agent");
  version = run(program, ["version"]).trim();
});
afterAll(() => images.close());
beforeEach(() => {
  host = join(images.folder, "host");
  rmSync(host, { recursive: true, force: true });
  for (const each of ["opt", "usr/local/sbin"]) mkdirSync(join(host, each), { recursive: true });
  folder = join(host, "opt/cedana-cdk");
});

const criu = () => join(folder, "current/bin/criu");
const everything = () =>
  run("find", [host, "-mindepth", "1", "-not", "-type", "d"]).trim().split("\n").filter(Boolean);
const installed = () => readdirSync(join(folder, "versions"));

/** Returns the current version, after a check that it is complete and runs. */
function current(): string {
  const tree = join(folder, "current");
  run("sha256sum", ["--quiet", "--strict", "-c", "SHA256SUMS"], { cwd: tree });
  expect(run(criu(), ["--version"])).toMatch(/^Version: 4\./);
  expect(readlinkSync(tree)).toBe(`versions/${readFileSync(join(tree, "VERSION"), "utf8").trim()}`);
  return readlinkSync(tree).replace("versions/", "");
}

describe("in a container without capabilities and with a read-only root", () => {
  const inContainer = (...list: string[]) => {
    const mounts = { "/host/opt": join(host, "opt"), "/host/usr/local/sbin": join(host, "usr/local/sbin") };
    return runConfined(files, join(images.folder, "confined"), mounts, [
      "/usr/local/bin/cedana-node-agent",
      ...list,
    ]);
  };

  test("installs on the host's mounts, creates the link, lists versions, and uninstalls everything", () => {
    const link = "/host/usr/local/sbin/criu";
    expect(inContainer("install", "/host/opt/cedana-cdk", "--link", link)).toContain(`${version} is current`);
    expect(current()).toBe(version);
    expect(run(join(host, "usr/local/sbin/criu"), ["--version"])).toMatch(/^Version: 4\./);
    expect(inContainer("list", "/host/opt/cedana-cdk")).toBe(`* ${version}`);
    expect(inContainer("uninstall", "/host/opt/cedana-cdk")).toContain("removed");
    expect(everything()).toEqual([]);
    expect(readdirSync(join(host, "opt"))).toEqual([]);
  });

  test("runs CRIU in the container", () => {
    expect(inContainer("criu", "--version")).toMatch(/^Version: 4\./);
  });
});

describe("the installed CRIU", () => {
  beforeEach(() => void run(program, ["install", folder]));

  test("passes `criu check` on this machine's kernel", () => {
    const { status, stdout, stderr } = ran(criu(), ["check"]);
    expect({ status, output: stdout + stderr }).toEqual({
      status: 0,
      output: expect.stringContaining("Looks good."),
    });
  });

  test("runs from any directory, through symbolic links, with a minimal environment", () => {
    const elsewhere = join(host, "a folder with spaces");
    cpSync(join(folder, "versions", version), elsewhere, { recursive: true });
    rmSync(folder, { recursive: true });
    symlinkSync("a folder with spaces/bin/criu", join(host, "link"));
    expect(run(join(host, "link"), ["--version"], { env: { PATH: "/usr/bin:/bin" }, cwd: "/" })).toMatch(
      /^Version: 4\./,
    );
  });

  test("uses no library of a host with an older glibc and without CRIU's libraries", () => {
    const other = join(host, "other");
    run("cp", ["-a", debian(), other]);
    cpSync(folder, join(other, "opt/cedana-cdk"), { recursive: true, verbatimSymlinks: true });
    const inside = "/opt/cedana-cdk/current";
    expect(run("chroot", [other, `${inside}/bin/criu`, "--version"])).toMatch(/^Version: 4\./);
    const list = run("chroot", [
      other,
      "sh",
      "-c",
      `${inside}/lib/ld-linux-*.so.* --library-path ${inside}/lib --list ${inside}/libexec/criu`,
    ]);
    const libraries = list.split("\n").filter((line) => line.includes("=>"));
    expect(libraries.length).toBeGreaterThan(15);
    // The list has the loader's path in the program, which is not used: the installed loader was started instead.
    expect(
      libraries.filter((line) => !line.includes(`=> ${inside}/lib/`) && !line.includes("ld-linux")),
    ).toEqual([]);
    // CRIU needs a root that is a mount point, as on a host.
    const enter = `mount --bind "$1" "$1" && cd "$1" && for each in proc sys dev; do mount --rbind "/$each" "$each"; done
      pivot_root . mnt && umount -l /mnt && exec "$2" check`;
    expect(run("unshare", ["--mount", "sh", "-ec", enter, "sh", other, `${inside}/bin/criu`])).toContain(
      "Looks good.",
    );
  });

  test("runs on a host without libc, with only a shell", () => {
    const bare = join(host, "bare");
    mkdirSync(join(bare, "bin"), { recursive: true });
    mkdirSync(join(bare, "tmp"));
    cpSync(join(debian(), "bin/busybox"), join(bare, "bin/busybox"));
    for (const each of ["sh", "readlink"]) symlinkSync("busybox", join(bare, "bin", each));
    cpSync(folder, join(bare, "opt/cedana-cdk"), { recursive: true, verbatimSymlinks: true });
    expect(
      run("chroot", [bare, "/opt/cedana-cdk/current/bin/criu", "--version"], {
        env: { PATH: "/bin:/usr/sbin:/usr/bin" },
      }),
    ).toMatch(/^Version: 4\./);
  });

  test.each([
    [
      "a shell",
      "sh",
      `n=0; while :; do n=$((n+1)); [ $((n % 20000)) -gt 0 ] || echo "$((n / 20000)) $$"; done`,
    ],
    [
      "a program with many threads",
      process.execPath,
      `let n = 0; setInterval(() => console.log(++n, process.pid), 50)`,
    ],
  ])("dumps and restores %s, which continues to count", async (_, command, code) => {
    const log = join(host, "count.log");
    const images = join(host, "images");
    mkdirSync(images);
    const flag = command === "sh" ? "-c" : "-e";
    // In a separate session without file descriptors of this test, like a process of a container.
    const script = `exec setsid "$0" ${flag} "$1" < /dev/null > "$2" 2>&1`;
    const child = spawn("sh", ["-c", script, command, code, log], {
      stdio: "ignore",
      env: { ...process.env, UV_USE_IO_URING: "0" },
    });
    const ended = once(child, "exit");
    const counted = () =>
      readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(" ").map(Number));
    const until = async (least: number) => {
      for (let i = 0; i < 200 && !(existsSync(log) && (counted().at(-1)?.[0] ?? 0) >= least); i++)
        await sleep(50);
    };
    let pid = 0;
    try {
      await until(10);
      pid = counted().at(-1)?.[1] ?? 0;
      run(criu(), ["dump", "--tree", String(pid), "--images-dir", images, "--log-file", "dump.log"]);
      await ended;
      const at = counted().length;
      await sleep(300);
      expect(counted()).toHaveLength(at); // it has ended
      run(criu(), ["restore", "--images-dir", images, "--log-file", "restore.log", "--restore-detached"]);
      await until(at + 10);
      const lines = counted();
      expect(lines.length).toBeGreaterThanOrEqual(at + 10);
      expect(lines).toEqual(lines.map((__, index) => [index + 1, pid]));
    } finally {
      if (pid > 0 && ran("kill", ["-KILL", String(pid)]).status !== 0) child.kill("SIGKILL");
    }
  });
});

describe("runc", () => {
  test("finds CRIU on its PATH, and dumps and restores a container", async () => {
    const link = join(host, "usr/local/sbin/criu");
    run(program, ["install", folder, "--link", link]);
    // Before any other CRIU.
    const env = { ...process.env, PATH: `${join(host, "usr/local/sbin")}:${process.env["PATH"]}` };
    const container = new CountingContainer(join(host, "container"), "node-image-test", env);
    const until = async (least: number) => {
      for (let i = 0; i < 200 && container.counted < least; i++) await sleep(50);
    };
    try {
      container.start();
      await until(10);
      container.checkpoint();
      const at = container.counted;
      expect(at).toBeGreaterThanOrEqual(10);
      await sleep(300);
      expect(container.counted).toBe(at);
      container.restore();
      await until(at + 5);
      expect(container.counted).toBeGreaterThanOrEqual(at + 5);
      expect(container.counted).toBeLessThan(at + 400);
    } finally {
      container.remove();
    }
  });
});

describe("install", () => {
  test("leaves a complete old or new version when killed at any command; after two more installs only the new one", () => {
    const link = join(host, "usr/local/sbin/criu");
    const seen = new Set<string>();
    let kills = 0;
    for (const when of ["before", "within", "after"] as const)
      for (let at = 1; ; at++) {
        rmSync(folder, { recursive: true, force: true });
        rmSync(link, { force: true });
        run(older, ["install", folder]);
        const command = killedAt(
          at,
          when,
          join(images.folder, "kill"),
          program,
          "install",
          folder,
          "--link",
          link,
        );
        const now = current();
        seen.add(now);
        expect([OLDER, version]).toContain(now);
        if (lstatSync(link, { throwIfNoEntry: false })) run(link, ["--version"]);
        run(program, ["install", folder, "--link", link]);
        expect(current()).toBe(version);
        expect(run("find", [folder, "-name", ".new*", "-o", "-name", "*.new", "-o", "-name", ".old*"])).toBe(
          "",
        );
        run(program, ["install", folder]);
        expect(installed()).toEqual([version]);
        if (command === undefined) break;
        kills++;
      }
    expect(kills).toBeGreaterThan(40);
    expect([...seen].toSorted((a, b) => a.localeCompare(b))).toEqual(
      [OLDER, version].toSorted((a, b) => a.localeCompare(b)),
    );
    run(program, ["uninstall", folder]);
    expect(everything().filter((each) => !each.includes("/kill/"))).toEqual([]);
  });

  test("leaves nothing after an uninstall was killed at any command and run again", () => {
    const link = join(host, "usr/local/sbin/criu");
    for (let at = 1; ; at++) {
      run(program, ["install", folder, "--link", link]);
      const command = killedAt(at, "before", join(images.folder, "kill"), program, "uninstall", folder);
      run(program, ["uninstall", folder]);
      expect(everything()).toEqual([]);
      if (command === undefined) break;
    }
  });

  test("writes nothing when run again, and repairs damaged files", () => {
    run(program, ["install", folder]);
    const stamp = () =>
      run("find", [folder, "-newermt", "2026-10-31", "-name", "*.so*", "-printf", "%i %C@ %p\n"]);
    const before = stamp();
    run(program, ["install", folder]);
    expect(stamp()).toBe(before);
    writeFileSync(join(folder, "current/lib/libc.so.6"), "not a library");
    rmSync(join(folder, "current/lib/libnet.so.9"), { force: true });
    expect(run(program, ["install", folder])).toContain("damaged");
    expect(current()).toBe(version);
  });

  test("keeps an older version only while a process runs from it", async () => {
    run(older, ["install", folder]);
    const child = spawn(criu(), ["service", "--address", join(host, "socket")], { stdio: "ignore" });
    const ended = once(child, "exit");
    try {
      for (let i = 0; i < 100 && !existsSync(join(host, "socket")); i++) await sleep(50);
      expect(run(program, ["install", folder])).toContain(`${OLDER} was current until now: kept`);
      expect(run(program, ["install", folder])).toContain(`${OLDER} is in use: kept`);
      expect(current()).toBe(version);
      expect(installed().toSorted((a, b) => a.localeCompare(b))).toEqual(
        [OLDER, version].toSorted((a, b) => a.localeCompare(b)),
      );
    } finally {
      child.kill("SIGKILL");
      await ended;
    }
    expect(run(program, ["prune", folder])).toContain(`${OLDER} is not in use: removed`);
    expect(installed()).toEqual([version]);
  });

  test("ten concurrent installs of two versions leave one complete; the next install removes the other", async () => {
    const each = Array.from({ length: 10 }, async (_, index) => {
      const child = spawn(index % 2 ? program : older, ["install", folder], { stdio: "ignore" });
      const [code] = await once(child, "exit");
      return code as number;
    });
    expect(await Promise.all(each)).toEqual(Array.from({ length: 10 }, () => 0));
    run(current() === version ? program : older, ["install", folder]);
    expect(installed()).toEqual([current()]);
  });

  test("does not replace another CRIU, and then installs nothing", () => {
    const link = join(host, "usr/local/sbin/criu");
    writeFileSync(link, "the host's own");
    const { status, stderr } = ran(program, ["install", folder, "--link", link]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining("another file is in this place"),
    });
    expect(readFileSync(link, "utf8")).toBe("the host's own");
    expect(existsSync(join(folder, "current"))).toBe(false);
  });

  test("reports a full disk and keeps the old version", () => {
    const disk = join(host, "opt");
    run("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", disk]);
    try {
      run(older, ["install", folder]);
      const { status, stderr } = ran(program, ["install", folder]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/No space left/);
      expect(current()).toBe(OLDER);
    } finally {
      run("umount", [disk]);
    }
  });

  test("uninstall keeps other files, and does nothing when the directory of a link is not mounted", () => {
    const link = join(host, "usr/local/sbin/criu");
    run(program, ["install", folder, "--link", link]);
    rmSync(join(host, "usr"), { recursive: true });
    expect(ran(program, ["uninstall", folder])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("not mounted"),
    });
    expect(current()).toBe(version);
    mkdirSync(join(host, "usr/local/sbin"), { recursive: true });
    writeFileSync(join(folder, "note"), "another file");
    expect(run(program, ["uninstall", folder])).toContain("other files: kept");
    expect(everything()).toEqual([join(folder, "note")]);
  });

  test.each([
    [[]],
    [["install"]],
    [["install", "relative"]],
    [["install", "/"]],
    [["prune", "/no/such"]],
    [["dance"]],
    [["agent"]],
  ])("rejects the arguments %j", (list) => {
    const { status, stderr } = ran(program, list);
    expect(status === 1 || status === 2).toBe(true);
    expect(stderr).toMatch(/usage:|cedana-node-agent: /i);
  });
});
