/** docs/security.md names tests that exist, and every credential that the toolkit creates. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { PlatformStack, type PlatformStackProps } from "../../stacks/aws";
import { synthStack } from "../support/terraform-json";
import { chart, chartCriu, CONTROLLER, CRIU, EVERYTHING, INSTALL } from "./constructs/kubernetes/support";

const ROOT = join(__dirname, "../..");
const text = readFileSync(join(ROOT, "docs/security.md"), "utf8");
const page = text.replaceAll(/\s+/g, " ");

/** Files in code marks, each with the names of tests that follow it in quotation marks. */
const NAMED = [...page.matchAll(/`((?:test|runtime)\/[^`]+)`((?:,? "[^"]+")*)/g)].map(([, file, names]) => ({
  file: file!,
  names: [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
}));

test("docs/security.md names tests for its claims", () => {
  expect(NAMED.length).toBeGreaterThan(15);
  expect(NAMED.flatMap(({ names }) => names).length).toBeGreaterThan(15);
});

test.each(NAMED)("$file exists and has the tests $names", ({ file, names }) => {
  const path = join(ROOT, file);
  expect(existsSync(path)).toBe(true);
  const content = readFileSync(path, "utf8");
  for (const name of names)
    expect(content).toContain(file.endsWith(".go") ? `func ${name}(t *testing.T)` : `test("${name}"`);
});

test("settings that the page names exist", () => {
  const reference = readFileSync(join(ROOT, "docs/cedana-yaml.md"), "utf8");
  const area = /^(install|engine|storage|imageRepository|restore)\.[A-Za-z.]+$/;
  const settings = [...page.matchAll(/`([^`:]+)(?:: [^`]+)?`/g)]
    .map(([, name]) => name!)
    .filter((name) => area.test(name));
  expect(settings.length).toBeGreaterThan(10);
  const isKnown = (name: string) =>
    reference.includes(`| \`${name.replace(/^restore\./, "install.restore.")}\``);
  expect(settings.filter((name) => !isKnown(name))).toEqual([]);
});

/** Returns the code marks of one column of the table below a heading. */
function column(heading: string, at: number): string[] {
  const [, section = ""] = text.split(`### ${heading}\n`);
  const rows = section
    .split("\n## ")[0]!
    .split("\n### ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| "));
  return rows
    .slice(2)
    .flatMap((row) => [...row.split(" | ")[at]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
}

test("the table of accounts has every ServiceAccount that an install creates, and no other", () => {
  const charts = [chart(INSTALL, EVERYTHING), chartCriu()];
  const accounts = charts
    .flatMap((one) => one.toJson() as { kind: string; metadata: { name: string } }[])
    .filter(({ kind }) => kind === "ServiceAccount")
    .map(({ metadata }) => metadata.name);
  expect(accounts.length).toBeGreaterThan(4);
  expect([...new Set(column("Accounts in the cluster", 0))].toSorted()).toEqual(
    [...new Set(accounts)].toSorted(),
  );
});

test("every subject of a binding is one of these accounts, or is configured", () => {
  const bindings = [chart(INSTALL, EVERYTHING), chartCriu()]
    .flatMap((one) => one.toJson() as { kind: string; subjects?: { kind: string; name: string }[] }[])
    .filter(({ kind }) => kind.endsWith("RoleBinding"));
  const configured = ["platform-engineer", "prometheus"];
  const known = [...column("Accounts in the cluster", 0), ...configured];
  const subjects = bindings.flatMap(({ subjects = [] }) => subjects.map(({ name }) => name));
  expect(subjects.length).toBeGreaterThan(10);
  expect(subjects.filter((name) => !known.includes(name))).toEqual([]);
});

test("the table of identities has every IAM role and user of a platform", () => {
  const platform = {
    cluster: {
      name: "demo",
      version: "1.34",
      region: "eu-west-1",
      bootstrapClusterCreatorAdminPermissions: true,
    },
    nodeGroups: [{ name: "general", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 2 } }],
    karpenter: {},
    storage: { writers: [{ namespace: "a", serviceAccount: "writer" }], staticKeyUser: true },
    imageRepository: { name: "demo/checkpoints" },
    engine: { ...CRIU, repository: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/demo/checkpoints" },
    install: { ...CONTROLLER, checkpoints: { deleteArtifacts: {} } },
  } satisfies PlatformStackProps;
  const { resource = {} } = synthStack(new PlatformStack(new App(), "platform", platform));
  const ids = ["aws_iam_role", "aws_iam_user"].flatMap((type) => Object.keys(resource[type] ?? {}));
  const patterns = column("Identities in AWS", 1).map(
    (name) => new RegExp(`^${name.replaceAll("*", ".+")}(_role)?(_[0-9A-F]{8})?$`),
  );
  expect(ids.length).toBeGreaterThan(7);
  expect(ids.filter((id) => !patterns.some((pattern) => pattern.test(id)))).toEqual([]);
  expect(patterns.filter((pattern) => !ids.some((id) => pattern.test(id)))).toEqual([]);
});
