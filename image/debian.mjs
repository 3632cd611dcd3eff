// Resolves and pins the Debian packages of a program: the program, its loader and every library it needs, by sha256.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LIBRARY_DIRECTORIES = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/**
 * Returns pins of the packages that `program` of package `name` needs at run time, for one architecture. apt checks the
 * suite's signature and resolves the versions, with separate state, so that packages of this machine have no influence.
 */
export function pin({ name, program, suite, mirror, architecture, licences }) {
  const work = mkdtempSync(join(tmpdir(), "image-pins-"));
  try {
    const apt = aptIn(work, { suite, mirror, architecture });
    apt("apt-get", "update", "-qq");
    const released = releaseDate(work);
    const packages = apt("apt-get", "install", "--print-uris", "-qq", "-y", name)
      .trim()
      .split("\n")
      .map((line) => describe(apt, line.split(" ")[1].split("_")[0]));
    const root = join(work, "root");
    mkdirSync(join(work, "debs"));
    apt("apt-get", "install", "--download-only", "-qq", "-y", name);
    const archives = join(work, "cache/archives");
    for (const file of readdirSync(archives).filter((entry) => entry.endsWith(".deb"))) {
      const directory = join(root, file.split("_")[0]);
      mkdirSync(directory, { recursive: true });
      execFileSync("dpkg-deb", ["-x", join(archives, file), directory]);
    }
    const files = libraryClosure(root, { name, program, directory: LIBRARY_DIRECTORIES[architecture] });
    const pins = packages
      .filter(({ package: each }) => files.has(each))
      .map((each) => ({ ...each, licence: licenceOf(each, licences), files: files.get(each.package) }))
      .toSorted((a, b) => byName(a.package, b.package));
    return { released, pins };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function aptIn(work, { suite, mirror, architecture }) {
  for (const directory of [
    "state/lists/partial",
    "cache/archives/partial",
    "etc/apt.conf.d",
    "etc/preferences.d",
  ])
    mkdirSync(join(work, directory), { recursive: true });
  writeFileSync(join(work, "status"), "");
  writeFileSync(join(work, "sources.list"), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  const settings = {
    "Dir::State": join(work, "state"),
    "Dir::State::status": join(work, "status"),
    "Dir::Cache": join(work, "cache"),
    "Dir::Etc": join(work, "etc"),
    "Dir::Etc::sourcelist": join(work, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    // Accepts an outdated mirror: the signature is checked nevertheless.
    "Acquire::Check-Valid-Until": "false",
    "Acquire::Check-Date": "false",
  };
  writeFileSync(
    join(work, "apt.conf"),
    Object.entries(settings)
      .map(([key, value]) => `${key} "${value}";\n`)
      .join(""),
  );
  return (command, ...rest) =>
    execFileSync(command, rest, {
      env: { ...process.env, APT_CONFIG: join(work, "apt.conf"), LC_ALL: "C" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      maxBuffer: 64e6,
    });
}

/** Returns when the suite was published, in the format of snapshot.debian.org's addresses. */
function releaseDate(work) {
  const lists = join(work, "state/lists");
  const file = readdirSync(lists).find((name) => name.endsWith("InRelease"));
  const [, date] = readFileSync(join(lists, file), "utf8").match(/^Date: (.*)$/m);
  return new Date(date).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

function describe(apt, name) {
  const fields = Object.fromEntries(
    [...apt("apt-cache", "show", "--no-all-versions", name).matchAll(/^([A-Za-z0-9-]+): (.*)$/gm)].map(
      ([, key, value]) => [key.toLowerCase(), value],
    ),
  );
  const [, source, sourceVersion] = (fields.source ?? name).match(/^(\S+)(?: \((.*)\))?$/);
  return {
    package: name,
    version: fields.version,
    source,
    sourceVersion: sourceVersion ?? fields.version,
    path: fields.filename,
    sha256: fields.sha256,
  };
}

/** Returns files by package: the program and, transitively, the libraries that it needs. */
function libraryClosure(root, { name, program, directory }) {
  const files = new Map();
  const queue = [{ owner: name, path: join(root, name, program) }];
  const seen = new Set();
  while (queue.length > 0) {
    const { owner, path } = queue.shift();
    files.set(owner, [...(files.get(owner) ?? []), relative(join(root, owner), path)].toSorted(byName));
    const dynamic = execFileSync("readelf", ["-d", realpathSync(path)], { encoding: "utf8" });
    for (const [, library] of dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
      if (seen.has(library)) continue;
      seen.add(library);
      const found = readdirSync(root)
        .map((each) => ({ owner: each, path: join(root, each, "usr/lib", directory, library) }))
        .find((each) => existsSync(each.path));
      if (!found)
        throw new Error(`${library}, needed by ${relative(root, path)}, is in none of the packages`);
      queue.push(found);
    }
  }
  return files;
}

function licenceOf({ package: name, source }, licences) {
  const licence = licences[source];
  if (licence) return licence;
  throw new Error(
    `the licence of source package ${source} (${name}) is unknown: add its SPDX expression to image/update-pins.mjs`,
  );
}

function byName(a, b) {
  return a < b ? -1 : Number(a > b);
}
