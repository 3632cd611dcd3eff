// Builds the program of the node, runtime/cmd/cedana-node, and describes its Go modules for the SBOM.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** SPDX expressions of the licences of Go modules. */
const LICENCES = {
  std: "BSD-3-Clause",
  "github.com/klauspost/compress": "BSD-3-Clause AND Apache-2.0 AND MIT",
  "github.com/opencontainers/runtime-spec": "Apache-2.0",
  "golang.org/x/sys": "BSD-3-Clause",
};

/**
 * Builds the static program. The same sources and the same version of Go give the same bytes, on every machine.
 * @param file path of the program
 * @param licences directory for the licences of its modules
 * @returns the packages for the SBOM: the program, Go's standard library and each module
 * @throws Error if Go is missing or the build fails
 */
export function buildProgram({ root, version, architecture, file, licences }) {
  const cwd = join(root, "runtime");
  const env = {
    ...process.env,
    CGO_ENABLED: "0",
    GOOS: "linux",
    GOARCH: architecture,
    GOAMD64: "v1",
    GOARM64: "v8.0",
    GOFLAGS: "-mod=readonly",
  };
  const go = (...list) =>
    execFileSync("go", list, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  try {
    const reproducible = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="];
    go("build", ...reproducible, "-o", file, "./cmd/cedana-node");
  } catch (error) {
    if (error.code !== "ENOENT") throw new Error("go build of runtime/ failed", { cause: error });
    throw new Error(
      "Go is missing: install it, name a built program with --runtime FILE, or set --runtime none (the engine criu then does not work)",
      { cause: error },
    );
  }
  const { release, modules } = contentOf(go("version", "-m", file));
  copyLicences(go("env", "GOROOT").trim(), join(licences, "std"));
  for (const { path } of modules)
    copyLicences(go("list", "-m", "-f", "{{.Dir}}", path).trim(), join(licences, ...path.split("/")));
  return [
    { name: "cedana-node", version, licence: "Apache-2.0", comment: "Host service and OCI runtime wrapper" },
    goPackage("std", release),
    ...modules.map((module) => goPackage(module.path, module.version)),
  ];
}

/** Returns the version of Go and the modules in a program, from the output of `go version -m`. */
export function contentOf(text) {
  const [, release] = /^.*: go(\S+)/.exec(text);
  const modules = [...text.matchAll(/^\tdep\t(\S+)\t(\S+)/gm)].map(([, path, version]) => ({
    path,
    version,
  }));
  return { release, modules };
}

function goPackage(path, version) {
  const licence = LICENCES[path];
  if (!licence)
    throw new Error(
      `the licence of the Go module ${path} is unknown: add its SPDX expression to image/node-agent/runtime.mjs`,
    );
  return { name: path, version, licence, purl: `pkg:golang/${path}@${version}` };
}

function copyLicences(from, to) {
  const names = readdirSync(from).filter((name) => /^(LICEN[CS]E|NOTICE|PATENTS)/.test(name));
  if (names.length === 0) throw new Error(`${from} has no licence`);
  mkdirSync(to, { recursive: true });
  for (const name of names) copyFileSync(join(from, name), join(to, name));
}
