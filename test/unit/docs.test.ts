import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareVersions, KUBERNETES_MINORS } from "../../config";
import { DOCS, programs } from "../support/docs-programs";
import { ROOT } from "../support/sources";

/** Directories of constructs that users import, relative to `constructs/`. */
function publicModules(): string[] {
  const directories = (path: string) =>
    readdirSync(join(ROOT, "constructs", path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !["admission", "internal", "node-agent"].includes(entry.name))
      .map(({ name }) => `${path}/${name}`);
  return ["aws", "kubernetes"]
    .flatMap(directories)
    .flatMap((path) => (/\/(engines|integrations)$/.test(path) ? directories(path) : [path]));
}

test("every public construct has a page with a program, or a program that imports its module", () => {
  const named = new Set(programs.map(({ name }) => name));
  const undocumented = publicModules().filter(
    (path) =>
      !named.has(`docs__${path.replaceAll("/", "__")}-0`) &&
      !programs.some(({ code }) => code.includes(`"cedana-cdk/${path}"`)),
  );
  expect(publicModules()).toContain("kubernetes/engines/criu");
  expect(undocumented).toEqual([]);
});

test("the README has what synth prints for the starter file", () => {
  const printed = readFileSync(join(ROOT, "test/golden/cli/synth-criu.txt"), "utf8");
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  expect(readme).toContain(`\`\`\`\n${printed.replaceAll("demo", "cedana")}\`\`\`\n`);
});

test("the README and the page on images name the supported Kubernetes versions", () => {
  const [oldest, newest] = [KUBERNETES_MINORS[0], KUBERNETES_MINORS.at(-1)];
  const page = (path: string) => readFileSync(join(ROOT, path), "utf8");
  expect(page("README.md")).toContain(`Kubernetes ${oldest} to ${newest} on AL2023`);
  const rows = [...page("docs/nodes/ami.md").matchAll(/^\| (1\.\d+)(?: - (1\.\d+))? \|/gm)];
  const named = rows.flatMap(([, from = "", to = from]) =>
    KUBERNETES_MINORS.filter((minor) => compareVersions(from, minor) <= 0 && compareVersions(minor, to) <= 0),
  );
  expect(named).toEqual(KUBERNETES_MINORS);
  expect([rows[0]?.[1], rows.at(-1)?.[2]]).toEqual([oldest, newest]);
});

test("links between pages resolve to an existing file and heading", () => {
  const dead = DOCS.concat("CONTRIBUTING.md").flatMap((page) =>
    [...readFileSync(join(ROOT, page), "utf8").matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)]
      .filter(([, to = "", anchor]) => {
        const file = to === "" ? page : join(dirname(page), to);
        if (!existsSync(join(ROOT, file))) return true;
        return anchor !== undefined && !anchors(file).includes(anchor);
      })
      .map(([link]) => `${page} -> ${link}`),
  );
  expect(dead).toEqual([]);
});

/** Returns the anchors of a page's headings, as GitHub derives them. */
function anchors(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8").replaceAll(/^ *```[\s\S]*?^ *```$/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
