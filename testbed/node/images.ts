import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { needs, ran, ROOT, run } from "./run";

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cedana-cdk/test");
const SUITE = "bookworm";
/** Base images that can be built without a registry: Debian, and Debian with this process's Node.js. */
const BASES = { debian: "localhost/base:1", node: "localhost/base-node:1" };

/** Returns the directory of a Debian with an older glibc than CRIU's and without CRIU's libraries. Created once. */
export function debian(): string {
  const tree = join(CACHE, `debian-${SUITE}`);
  if (existsSync(tree)) return tree;
  const temporary = `${tree}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(dirname(tree), { recursive: true });
  const mirror = process.env["TESTBED_DEBIAN_MIRROR"] ?? "http://deb.debian.org/debian";
  run("unshare", [
    "--mount",
    "debootstrap",
    "--variant=minbase",
    "--include=busybox-static",
    SUITE,
    temporary,
    mirror,
  ]);
  for (const each of ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"])
    rmSync(join(temporary, each), { recursive: true, force: true });
  renameSync(temporary, tree);
  return tree;
}

/**
 * Files of Debian that neither the images nor their builds need, as patterns of the shell. The emulated node of a virtual
 * machine takes a second to unpack 2 MB.
 */
const UNUSED =
  "usr/share/{info,man,zoneinfo,perl5,bash-completion} usr/bin/{perl*,busybox} usr/lib/*/{perl-base,gconv,libapt-*,libgnutls.so*} var/{cache,lib/dpkg/info}/*";

/** Images in a separate store, which `close` removes. */
export interface Images {
  /** Directory for files of a test. */
  readonly folder: string;
  /** Runs `npm run image -- node-agent ...`; returns its output. */
  build(out: string, ...options: string[]): string;
  /** Builds an image whose programs need Node.js, and pushes it to a registry without TLS. */
  push(image: "controller" | "node-agent", name: string): void;
  buildah(...list: string[]): string;
  /** Creates a container of the image. Returns its name, and the directory of its files. */
  container(image: string): { readonly name: string; readonly files: string };
  close(): void;
}

export function openImages(): Images {
  needs("buildah", "debootstrap", "readelf", "strip");
  const folder = mkdtempSync(join(tmpdir(), "node-image-"));
  const store = join(folder, "storage.conf");
  const text = `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/store"\nrunroot = "${folder}/run"\n`;
  writeFileSync(store, text);
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: store };
  const buildah = (...list: string[]): string => run("buildah", list, { env }).trim();
  const pins = join(folder, "versions.json");
  const image = (kind: string, base: string, tag: string, out: string, options: readonly string[]) => {
    const named = ["--base", base, "--tag", tag, "--out", out];
    return ran(process.execPath, [join(ROOT, "image/main.mjs"), kind, ...named, ...options], { env });
  };
  const agent = (base: string, tag: string, out: string, options: readonly string[]): string => {
    const given = existsSync(pins) ? ["--versions", pins, ...options] : options;
    const first = image("node-agent", base, tag, out, given);
    if (first.status === 0) return first.stdout;
    if (given !== options || !first.stderr.includes("no address has the file")) throw new Error(first.stderr);
    process.stdout.write(
      `The packages of image/versions.json are not available from this mirror; the current ones are pinned for this run.\n${first.stderr}\n`,
    );
    run(process.execPath, [join(ROOT, "image/update-pins.mjs"), pins]);
    const second = image("node-agent", base, tag, out, ["--versions", pins, ...options]);
    if (second.status !== 0) throw new Error(second.stderr);
    return second.stdout;
  };
  const debianBase = (): string => {
    if (ran("buildah", ["images", "--quiet", BASES.debian], { env }).status === 0) return BASES.debian;
    const container = buildah("from", "scratch");
    buildah("add", "--quiet", container, debian(), "/");
    buildah("commit", "--quiet", "--rm", container, BASES.debian);
    return BASES.debian;
  };
  /** Builds a small base image with Node.js at the paths of both images, as hard links. */
  const nodeBase = (): string => {
    if (ran("buildah", ["images", "--quiet", BASES.node], { env }).status === 0) return BASES.node;
    const container = buildah("from", "scratch");
    const files = buildah("mount", container);
    run("cp", ["-a", `${debian()}/.`, files]);
    run("bash", ["-ec", `rm -rf ${UNUSED}`], { cwd: files });
    const node = join(files, "usr/local/bin/node");
    mkdirSync(join(files, "nodejs/bin"), { recursive: true });
    cpSync(process.execPath, node, { dereference: true });
    run("strip", [node]);
    linkSync(node, join(files, "nodejs/bin/node"));
    buildah("umount", container);
    buildah("commit", "--quiet", "--rm", container, BASES.node);
    return BASES.node;
  };
  return {
    folder,
    buildah,
    build: (out, ...options) => agent(debianBase(), "node-agent:test", out, options),
    push(kind, name) {
      const out = join(folder, `push-${kind}`);
      const tag = `localhost/${kind}:push`;
      if (kind === "node-agent") agent(nodeBase(), tag, out, []);
      else {
        const { status, stderr } = image(kind, nodeBase(), tag, out, []);
        if (status !== 0) throw new Error(stderr);
      }
      buildah("push", "--quiet", "--tls-verify=false", tag, `docker://${name}`);
    },
    container(name) {
      const container = buildah("from", name);
      return { name: container, files: buildah("mount", container) };
    },
    close() {
      ran("buildah", ["umount", "--all"], { env });
      ran("buildah", ["rm", "--all"], { env });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Copies the image's files and changes the version of its CRIU. */
export function otherVersion(files: string, to: string): string {
  cpSync(join(files, "usr/local"), join(to, "usr/local"), { recursive: true, preserveTimestamps: true });
  run("sh", [
    "-ec",
    `cd "$1"/usr/local/share/cedana-cdk/criu
    echo '# an older one' >> bin/criu
    sum=$(sha256sum bin/criu)
    sed -i "s|.* bin/criu$|$sum|" SHA256SUMS
    echo 4.2.0-000000000000 > VERSION`,
    "sh",
    to,
  ]);
  return to;
}
