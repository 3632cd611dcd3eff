import { readFileSync } from "node:fs";
import { join } from "node:path";

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = join(__dirname, "../..");
const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Readonly<Record<string, LockedPackage>>;
};

/** Returns the entry that Node resolves from a package's directory by walking up. */
function locked(from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf("/node_modules/"), 0))) {
    if (`${folder}${folder === "" ? "" : "/"}node_modules/${name}` in packages) return true;
    if (folder === "") return false;
  }
}

test("the lock file has the binaries of every platform, without which npm ci fails", () => {
  const missing = Object.entries(packages).flatMap(([folder, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !locked(folder, name))
      .map((name) => `${folder}: ${name}`),
  );
  expect(missing).toEqual([]);
});
