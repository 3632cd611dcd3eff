import { array, constantFrom, oneof, pre, property, stringMatching } from "fast-check";
import { assertProperty } from "../../../support/property";
import type { InstallSpec } from "../../../../config";
import { imageOf } from "../../../../constructs/kubernetes/engines/criu/artifacts";
import { synthCriu, type KubernetesObject } from "./support";

/** Names that occur in no word of the toolkit. */
const INSTALL: InstallSpec = {
  name: "fence",
  namespace: "qqa-controller",
  agentNamespace: "qqb-agents",
  checkpoints: { namespaces: ["qqc-team"] },
};

interface Policy extends KubernetesObject {
  readonly spec: {
    readonly failurePolicy?: string;
    readonly policyName?: string;
    readonly matchResources?: object;
    readonly validationActions?: readonly string[];
    readonly matchConditions?: readonly { readonly expression: string }[];
    readonly variables?: readonly { readonly expression: string }[];
    readonly validations?: readonly Readonly<Record<string, string>>[];
  };
}
const of = (kind: string) =>
  (synthCriu(INSTALL) as Policy[]).filter((object) => object.kind === `ValidatingAdmissionPolicy${kind}`);
const policies = of("");
const bindings = of("Binding");
const expressionsOf = ({ spec }: Policy) => [
  ...(spec.matchConditions ?? []).map(({ expression }) => expression),
  ...(spec.variables ?? []).map(({ expression }) => expression),
  ...(spec.validations ?? []).flatMap(({ expression = "", messageExpression = "" }) => [
    expression,
    messageExpression,
  ]),
];

test("each policy is bound in all namespaces and rejects on errors", () => {
  expect(policies.map(({ metadata }) => metadata.name)).toEqual(
    bindings.map(({ metadata }) => metadata.name),
  );
  for (const { metadata, spec } of policies)
    expect([metadata.name, spec.failurePolicy]).toEqual([metadata.name, "Fail"]);
  for (const { metadata, spec } of bindings)
    expect(spec).toEqual({
      policyName: metadata.name,
      validationActions: [/artifacts-(templates|cronjobs)$/.test(metadata.name) ? "Warn" : "Deny"],
    });
});

test("no policy depends on the name of a namespace or of an account of the install", () => {
  for (const policy of [...policies, ...bindings]) {
    const text = JSON.stringify(policy.spec);
    expect([policy.metadata.name, text.match(/qq[abc]-\w+|serviceaccount:(?!'|kube-system:)\S+/g)]).toEqual([
      policy.metadata.name,
      null,
    ]);
    expect(text).not.toMatch(/fence-(agent|health-check|controller)['"]/);
  }
});

test("policies permit what only a controller may write to the controller of each install", () => {
  const restricting = policies.filter(({ spec }) =>
    spec.variables?.some(({ expression }) => /any-install/.test(expression)),
  );
  expect(restricting.map(({ metadata }) => metadata.name)).toEqual([
    "fence-restore-pods",
    "fence-restore-templates",
    "fence-restore-cronjobs",
  ]);
  const names = (name: string) =>
    synthCriu({ ...INSTALL, name })
      .flatMap(({ rules = [] }) => rules as { resources: string[]; resourceNames: string[] }[])
      .filter(({ resources }) => resources.includes("programs"))
      .flatMap(({ resourceNames }) => resourceNames);
  const shared = new Set(names("fence"));
  expect(names("other").filter((each) => shared.has(each))).toEqual(["controller.any-install"]);
});

test("expressions select optional fields without has()", () => {
  expect(policies.length).toBe(14);
  for (const expression of policies.flatMap(expressionsOf)) expect(expression).not.toMatch(/\bhas\(/);
});

test("the permissions by which programs are identified are granted in the whole cluster", () => {
  const rules = synthCriu(INSTALL).flatMap(({ kind, metadata, rules = [] }) =>
    (rules as { resources: string[]; resourceNames?: string[] }[])
      .filter(({ resources }) => resources.includes("programs"))
      .map(({ resourceNames = [] }) => [kind, metadata.name, ...resourceNames]),
  );
  expect(rules).toEqual([
    ["ClusterRole", "fence-health-check", "fence.health-check"],
    ["ClusterRole", "fence-controller-identity", "fence.controller", "controller.any-install"],
  ]);
  const text = JSON.stringify(policies);
  for (const [, , name] of rules) expect(text).toContain(`name('${name}').check('identify')`);
});

describe("images of the repository of checkpoints", () => {
  const matches = (repository: string, image: string) => new RegExp(imageOf(repository)).test(image);
  const component = stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?$/);
  const path = array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const host = oneof(
    constantFrom("localhost", "localhost:5000", "REG.example.com", "reg.example.com:443", "10.0.0.1:80"),
    stringMatching(/^[a-z0-9]{1,5}[.][a-z]{2,4}(:[0-9]{2,4})?$/),
  );
  const reference = constantFrom("", ":1", `@sha256:${"a".repeat(64)}`, `:1@sha256:${"a".repeat(64)}`);

  test("match by path, in any registry and by any reference", () => {
    assertProperty(
      property(host, host, path, reference, (here, there, name, end) => {
        expect(matches(`${here}/${name}`, `${here}/${name}${end}`)).toBe(true);
        expect(matches(`${here}/${name}`, `${there}/${name}${end}`)).toBe(true);
      }),
    );
  });

  test("match below the repository only with one for each namespace, and only one level", () => {
    const perNamespace = (image: string) =>
      new RegExp(imageOf("reg.example.com/checkpoints", true)).test(image);
    const digest = `sha256:${"a".repeat(64)}`;
    for (const host of ["reg.example.com/", "mirror.example.com:443/", ""])
      for (const end of ["", ":1", `@${digest}`]) {
        expect(perNamespace(`${host}checkpoints${end}`)).toBe(true);
        expect(perNamespace(`${host}checkpoints/team-a${end}`)).toBe(true);
        expect(perNamespace(`${host}checkpoints-x/team-a${end}`)).toBe(false);
        expect(perNamespace(`${host}checkpoints/team-a/app${end}`)).toBe(false);
        expect(matches("reg.example.com/checkpoints", `${host}checkpoints/team-a${end}`)).toBe(false);
      }
  });

  test("no other path matches", () => {
    assertProperty(
      property(host, path, path, reference, (here, name, other, end) => {
        pre(name !== other && !name.startsWith("library/"));
        expect(matches(`${here}/${name}`, `${here}/${other}${end}`)).toBe(false);
        expect(matches(`${here}/${name}`, `${here}/${name}-2${end}`)).toBe(false);
        expect(matches(`${here}/${name}`, `${here}/a/${name}${end}`)).toBe(false);
      }),
    );
  });

  test.each([
    ["docker.io/acme/saved", "acme/saved:1", true],
    ["docker.io/library/saved", "saved", true],
    ["docker.io/library/saved", "index.docker.io/library/saved:1", true],
    ["reg.example.com/a.b/saved", "reg.example.com/axb/saved", false],
  ])("%s has %s: %s", (repository, image, expected) => {
    expect(matches(repository, image)).toBe(expected);
  });
});
