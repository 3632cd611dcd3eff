/** The node agent image: a reproducible build from pinned packages, and its content. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needs, ran, run } from "../../testbed/node/run";
import { debian, openImages, type Images } from "../../testbed/node/images";

let images: Images;
let output: string;
beforeAll(() => {
  images = openImages();
  output = images.build(join(images.folder, "first"));
});
afterAll(() => images.close());

const TREE = "usr/local/share/cedana-cdk/criu";
const IMAGE = "node-agent:test";
const digestOf = (text: string): string => text.match(/digest +(sha256:[0-9a-f]{64})/)?.[1] ?? "";

test("two builds give the same digest and the same SBOM", () => {
  const again = images.build(join(images.folder, "second"));
  expect(digestOf(output)).toMatch(/^sha256:/);
  expect(digestOf(again)).toBe(digestOf(output));
  const sbom = (folder: string) => readFileSync(join(images.folder, folder, "node-agent.spdx.json"), "utf8");
  expect(sbom("second")).toBe(sbom("first"));
});

test("the build prints the size, and the digest that the image has in a registry", () => {
  expect(images.buildah("push", "--quiet", IMAGE, `oci:${images.folder}/layout:x`)).toBe("");
  const { manifests } = JSON.parse(readFileSync(join(images.folder, "layout/index.json"), "utf8"));
  expect(manifests[0].digest).toBe(digestOf(output));
  expect(output).toMatch(/size +\d+\.\d MB to pull/);
});

test("the SBOM has licence, checksum and source of each package", () => {
  const sbom = JSON.parse(readFileSync(join(images.folder, "first/node-agent.spdx.json"), "utf8"));
  expect(sbom).toMatchObject({ spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0" });
  const packages = sbom.packages.filter(({ SPDXID }: { SPDXID: string }) => !/-(Image|Base)$/.test(SPDXID));
  for (const each of packages) expect(each.licenseDeclared).toMatch(/^(0BSD|[A-Z][A-Za-z0-9.]+-?|\()/);
  const locator = ({ externalRefs }: { externalRefs?: readonly { referenceLocator: string }[] }) =>
    externalRefs?.[0]?.referenceLocator ?? "";
  const debian = packages.filter((each: object) => locator(each).startsWith("pkg:deb/"));
  expect(debian.length).toBeGreaterThan(15);
  for (const each of debian) {
    expect(each.checksums[0].checksumValue).toMatch(/^[0-9a-f]{64}$/);
    expect(each.comment).toMatch(/^Source: https:/);
  }
  const ours = packages
    .filter((each: object) => !debian.includes(each))
    .map(({ name }: { name: string }) => name);
  expect(ours).toEqual(expect.arrayContaining(["agent.js", "valibot", "@kubernetes/client-node"]));
  expect(packages.find(({ name }: { name: string }) => name === "criu")).toMatchObject({
    licenseDeclared: "GPL-2.0-only",
  });
  const ids = new Set(sbom.packages.map(({ SPDXID }: { SPDXID: string }) => SPDXID));
  expect(ids.size).toBe(sbom.packages.length);
  for (const each of sbom.relationships) expect(ids.has(each.relatedSpdxElement)).toBe(true);
});

test("layer and configuration of the image contain no secret and nothing of this machine", () => {
  const { OCIv1: config } = JSON.parse(images.buildah("inspect", "--type", "image", IMAGE));
  const text = JSON.stringify(config);
  expect(text).not.toContain(ran("hostname", []).stdout.trim() + '"');
  expect(text).not.toMatch(/token|secret|password|AKIA|\/root|\/work|\/tmp\/node-image/i);
  expect(config.config.User).toBe("0:0");
  const { files } = images.container(IMAGE);
  const added = run("find", [join(files, "usr/local"), "-type", "f", "-not", "-path", `*/${TREE}/*`])
    .trim()
    .split("\n");
  expect(added.toSorted()).toEqual(
    ["bin/cedana-node-agent", "lib/cedana-cdk/agent.THIRD-PARTY-NOTICES.txt", "lib/cedana-cdk/agent.js"].map(
      (name) => join(files, "usr/local", name),
    ),
  );
  const licences = join(files, TREE, "share/licences");
  const packages = readdirSync(licences).filter((name) => !["SOURCES", "go"].includes(name));
  expect(packages.filter((name) => !existsSync(join(licences, name, "copyright")))).toEqual([]);
});

test("the image contains every library that its CRIU needs", () => {
  const lib = join(images.container(IMAGE).files, TREE, "lib");
  const libraries = readdirSync(lib).filter((name) => name.includes(".so"));
  for (const file of [...libraries.map((name) => join(lib, name)), join(lib, "../libexec/criu")])
    for (const [, name] of run("readelf", ["-d", file]).matchAll(/\(NEEDED\).*\[(.*)\]/g))
      expect(libraries).toContain(name);
});

test("includes files that the user adds, with notes and SBOM entries, and rejects a file that is not ELF", () => {
  const added = join(images.folder, "added");
  mkdirSync(join(added, "cedana"), { recursive: true });
  for (const name of ["plugin.so", "checkpoint", "cedana/cedana", "cedana/libcedana-k8s.so"])
    writeFileSync(join(added, name), `\x7fELF not really ${name}`);
  writeFileSync(join(added, "script"), "#!/bin/sh\n");
  const out = join(images.folder, "third");
  expect(() => images.build(out, "--cuda-checkpoint", join(added, "script"))).toThrow(
    /is not a Linux program or library/,
  );
  const cuda = ["--cuda-plugin", join(added, "plugin.so"), "--cuda-checkpoint", join(added, "checkpoint")];
  const withAdded = images.build(out, "--tag", "with-added:1", ...cuda, "--cedana", join(added, "cedana"));
  expect(withAdded).toMatch(/note: cuda-checkpoint is NVIDIA's/);
  expect(withAdded).toMatch(/note: Cedana's daemon is AGPL-3.0/);
  expect(digestOf(withAdded)).not.toBe(digestOf(output));
  const { files } = images.container("with-added:1");
  for (const path of [
    `${TREE}/lib/criu/cuda_plugin.so`,
    `${TREE}/bin/cuda-checkpoint`,
    "usr/local/bin/cedana",
    "usr/local/lib/libcedana-k8s.so",
  ])
    expect(existsSync(join(files, path))).toBe(true);
  const sbom = readFileSync(join(out, "node-agent.spdx.json"), "utf8");
  for (const licence of ["LicenseRef-NVIDIA", "LicenseRef-Cedana"]) expect(sbom).toContain(licence);
});

test("writes only the context for another builder", () => {
  const context = join(images.folder, "context");
  images.build(join(images.folder, "none"), "--context", context);
  expect(readdirSync(context).toSorted()).toEqual(
    expect.arrayContaining(["LICENSE", "assemble.sh", "criu.sh", "debs", "node-agent.sh", "packages.tsv"]),
  );
  expect(existsSync(join(images.folder, "none"))).toBe(false);
});

test("the packages for arm64 contain every library that CRIU needs", () => {
  needs("dpkg-deb");
  const context = join(images.folder, "context-arm64");
  images.build(join(images.folder, "none"), "--context", context, "--arch", "arm64");
  const lines = readFileSync(join(context, "packages.tsv"), "utf8").trim().split("\n");
  const names = lines.map((line) => line.split("/").at(-1));
  for (const line of lines) {
    const [name, deb, path] = line.split("\t") as [string, string, string];
    mkdirSync(join(context, "unpacked", name), { recursive: true });
    run("dpkg-deb", ["-x", join(context, "debs", deb), join(context, "unpacked", name)]);
    const file = join(context, "unpacked", name, path);
    expect(run("readelf", ["-h", file])).toContain("AArch64");
    for (const [, library] of run("readelf", ["-d", file]).matchAll(/\(NEEDED\).*\[(.*)\]/g))
      expect(names).toContain(library);
  }
});

test("the base image of these tests has none of CRIU's libraries", () => {
  expect(
    ran("chroot", [
      debian(),
      "sh",
      "-c",
      "ls /usr/lib/x86_64-linux-gnu | grep -E 'libnet[.]|libprotobuf|libnl-3'",
    ]).stdout,
  ).toBe("");
});
