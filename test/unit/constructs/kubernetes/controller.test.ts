import * as fc from "fast-check";
import {
  controllerSettings,
  controllerSettingsSchema,
  readControllerSettings,
} from "../../../../config/programs/controller";
import { checkEngine, engineSchema } from "../../../../config/engines";
import { checkInstall, installSchema } from "../../../../config/install";
import { readPlatform } from "../../../../config/platform/file";
import { formatProblem, InvalidInputError } from "../../../../config/schema/problem";
import { check, resolve } from "../../../../config/schema";
import type { CedanaEngineSpec, InstallSpec } from "../../../../config";
import { chart, ENGINE, synth, type KubernetesObject } from "./support";
import { assertProperty } from "../../../support/property";

const image = { repository: "registry.example.com/cedana-controller", tag: "0.1.0" };
const ON = { controller: { image } } satisfies InstallSpec;
const RULE = { ...ON, readinessGate: { owner: "nodeReadinessRule" } } satisfies InstallSpec;

function settings(install: InstallSpec, engine: Partial<CedanaEngineSpec> = {}) {
  const resolved = resolve("install", installSchema, install, checkInstall);
  return controllerSettings(resolve("engine", engineSchema, { ...ENGINE, ...engine }, checkEngine), resolved);
}

function problems(install: InstallSpec, engine: Partial<CedanaEngineSpec>): string[] {
  try {
    synth(install, engine);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

const of = (objects: KubernetesObject[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);
/** The fields of a pod that the tests read. */
interface Pod {
  template: {
    metadata: { annotations: Record<string, string> };
    spec: { tolerations: object[]; containers: { env: { name: string; value?: string }[] }[] };
  };
}
const podOf = (objects: KubernetesObject[], name: string) =>
  (of(objects, "Deployment", name) as unknown as { spec: Pod }).spec.template;

describe("alarms", () => {
  const alarms = (install: InstallSpec, metrics: object) => {
    const { controller } = ON;
    const objects = synth({ ...install, controller: { ...controller, metrics } });
    const rule = of(objects, "PrometheusRule", "cedana-controller") as unknown as
      | { spec: { groups: { rules: { alert: string }[] }[] } }
      | undefined;
    return rule?.spec.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  };

  test("are off by default, also with a ServiceMonitor: their kind may not exist in the cluster", () => {
    expect(alarms({}, {})).toBeUndefined();
    expect(alarms({}, { serviceMonitor: true })).toBeUndefined();
  });

  test("are those of the functions of the install", () => {
    const on = { prometheusRule: true };
    const checkpoints = ["CedanaCheckpointsFail", "CedanaCheckpointsWait"];
    // The engine cedana neither restores by the webhook nor has agents that report.
    expect(alarms({}, on)).toEqual(["CedanaControllerMissing", "CedanaNodeWaits", ...checkpoints]);
    expect(alarms({ checkpoints: false }, on)).toEqual(["CedanaControllerMissing", "CedanaNodeWaits"]);
    expect(alarms({ readinessGate: { owner: "manager" } }, on)).toEqual([
      "CedanaControllerMissing",
      ...checkpoints,
    ]);
  });
});

describe("settings", () => {
  test("of a default install with a controller", () => {
    expect(settings(ON)).toEqual({
      namespace: "cedana-system",
      leaseName: "cedana-controller",
      log: { level: "info" },
      gate: {
        owner: "controller",
        taint: { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" },
        nodeSelector: { "cedana.ai/enabled": "true" },
        agents: [
          { name: "helper", namespace: "cedana-system", daemonSet: "cedana-helper" },
          { name: "health-check", namespace: "cedana-system", daemonSet: "cedana-health-check" },
        ],
        podSelector: { "app.kubernetes.io/name": "cedana", "app.kubernetes.io/instance": "cedana" },
        hashAnnotation: "checksum/config",
        retaint: false,
        failOpenAfterSeconds: 1800,
        explainAfterSeconds: 60,
        dryRun: false,
      },
      checkpoints: {
        namespaces: ["default"],
        maxPerNode: 2,
        waitSeconds: 3600,
        locations: [],
        engine: "cedana",
        manager: {
          url: "http://cedana-manager-service.cedana-system:1324",
          root: "/run/containerd/runc/k8s.io",
          timeoutSeconds: 600,
        },
      },
      restore: false,
    });
  });

  test.each<[string, InstallSpec, number | undefined]>([
    ["with false", { ...ON, readinessGate: { failOpenAfterSeconds: false } }, undefined],
    ["with a NodeReadinessRule", { ...ON, readinessGate: { owner: "nodeReadinessRule" } }, undefined],
    [
      "with a NodeReadinessRule and false",
      { ...ON, readinessGate: { owner: "nodeReadinessRule", failOpenAfterSeconds: false } },
      undefined,
    ],
    ["with another time", { ...ON, readinessGate: { failOpenAfterSeconds: 60 } }, 60],
  ])("fail open %s", (_, install, expected) => {
    const { gate } = settings(install);
    expect(gate && gate.failOpenAfterSeconds).toBe(expected);
  });

  test("follow the install", () => {
    const { gate, checkpoints, ...own } = settings(
      {
        name: "cr",
        namespace: "checkpoints",
        agentNamespace: "agents",
        controller: { image, logLevel: "debug" },
        readinessGate: {
          taint: { key: "example.com/wait", value: "" },
          retaint: {},
          failOpenAfterSeconds: 900,
          dryRun: true,
        },
        checkpoints: { namespaces: "all" },
      },
      { checkpoints: { root: "/run/runc" }, manager: { service: { port: 80 } } },
    );
    expect(own).toEqual({
      namespace: "checkpoints",
      leaseName: "cr-controller",
      log: { level: "debug" },
      restore: false,
    });
    expect(gate).toMatchObject({
      taint: { key: "example.com/wait", value: "", effect: "NoSchedule" },
      agents: [{ namespace: "agents" }, { namespace: "agents", daemonSet: "cr-health-check" }],
      retaint: { holdOffSeconds: 30, maxUnreadyPercent: 20 },
      failOpenAfterSeconds: 900,
      dryRun: true,
    });
    expect(checkpoints).toMatchObject({
      namespaces: "all",
      manager: { url: "http://cr-manager-service.checkpoints:80", root: "/run/runc" },
    });
  });

  test("disable controllers whose work another component does", () => {
    expect(settings({})).toMatchObject({ gate: false, checkpoints: false });
    expect(settings({ ...ON, readinessGate: { owner: "manager" } })).toMatchObject({ gate: false });
    expect(settings({ ...ON, checkpoints: false })).toMatchObject({ checkpoints: false });
    const without = settings({ ...ON, checkpoints: { namespaces: [] } });
    expect(without).toMatchObject({ checkpoints: false });
    expect(settings({ ...RULE, readinessGate: { ...RULE.readinessGate, dryRun: true } }).gate).toMatchObject({
      owner: "nodeReadinessRule",
      taint: { key: "readiness.k8s.io/cedana-not-ready" },
      dryRun: false,
    });
  });

  test("are read by the controller from the ConfigMap of any install", () => {
    const installs = fc.record(
      {
        name: fc.constantFrom("cedana", "cr"),
        agentNamespace: fc.constant("agents"),
        nodeSelector: fc.constantFrom({}, { a: "b" }),
        readinessGate: fc.constantFrom({ retaint: {} }, { owner: "manager" }, { owner: "nodeReadinessRule" }),
        checkpoints: fc.constantFrom({ namespaces: "all" }, { namespaces: ["a", "b"] }),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<InstallSpec>;
    assertProperty(
      fc.property(installs, (more) => {
        const objects = synth({ ...ON, ...more });
        const map = of(objects, "ConfigMap", `${more.name ?? "cedana"}-controller-settings`);
        const { data } = map as unknown as { data: Record<string, string> };
        const text = data["settings.json"] ?? "";
        expect(readControllerSettings(text)).toEqual({ value: settings({ ...ON, ...more }) });
      }),
      15,
    );
  });

  test("report all problems of a file at once", () => {
    const good = settings(ON);
    const text = JSON.stringify({
      ...good,
      leaseNam: "a",
      log: { level: "loud" },
      gate: { ...good.gate, agents: [] },
    });
    const { problems: found = [] } = readControllerSettings(text);
    expect(found.map(({ code, path }) => `${code} ${path.join(".")}`).toSorted()).toEqual([
      "not-allowed log.level",
      "unknown-key leaseNam",
      "wrong-length gate.agents",
    ]);
    expect(readControllerSettings("namespace: [").problems).toMatchObject([{ code: "yaml-syntax" }]);
    expect(readControllerSettings("").problems).toHaveLength(1);
    expect(check(controllerSettingsSchema, good)).toEqual({ value: good });
  });
});

describe("objects", () => {
  test("are not created without a controller", () => {
    const without = synth();
    expect(without.filter(({ metadata }) => /controller(?!-manager)/.test(metadata.name))).toEqual([]);
    expect(chart().controller).toBeUndefined();
    expect(chart().readinessGate).toBeUndefined();
  });

  test("restart the pods after a change of the settings, and after no other change", () => {
    const hash = (install: InstallSpec) =>
      podOf(synth(install), "cedana-controller").metadata.annotations["checksum/settings"];
    expect(hash({ ...ON, readinessGate: { retaint: {} } })).not.toBe(hash(ON));
    expect(hash({ ...ON, controller: { image, replicas: 3 } })).toBe(hash(ON));
  });

  test("let the controller run on gated nodes, whatever other tolerations it has", () => {
    const mine = { key: "dedicated", operator: "Exists" as const };
    const objects = synth({
      controller: { image, tolerations: [mine] },
      readinessGate: { taint: { key: "a/b" } },
    });
    const gate = { key: "a/b", operator: "Exists", effect: "NoSchedule" };
    expect(podOf(objects, "cedana-controller").spec.tolerations).toEqual([gate, mine]);
    expect(podOf(objects, "cedana-manager").spec.tolerations).toEqual([gate]);
  });

  test.each<[string, InstallSpec, Partial<CedanaEngineSpec>, string]>([
    ["without a controller", {}, {}, "true"],
    ["with taintNodes: false", {}, { manager: { taintNodes: false } }, "false"],
    ["with a controller", ON, {}, "false"],
    ["with a NodeReadinessRule", RULE, {}, "false"],
    ["as owner next to a controller", { ...ON, readinessGate: { owner: "manager" } }, {}, "true"],
  ])("Cedana's manager, %s, gets CEDANA_TAINT_NODES", (_, install, engine, expected) => {
    const [container] = podOf(synth(install, engine), "cedana-manager").spec.containers;
    expect(container?.env.find(({ name }) => name === "CEDANA_TAINT_NODES")?.value).toBe(expected);
  });

  test("include a NodeReadinessRule that is enforced once or continuously", () => {
    const rule = (more: object) =>
      chart({ ...RULE, readinessGate: { ...RULE.readinessGate, ...more } }).readinessGate?.rule.toJson();
    expect(rule({})).toMatchObject({
      apiVersion: "readiness.node.x-k8s.io/v1alpha1",
      spec: {
        conditions: [{ type: "CedanaReady", requiredStatus: "True" }],
        enforcementMode: "bootstrap-only",
        nodeSelector: { matchLabels: { "cedana.ai/enabled": "true" } },
        taint: { key: "readiness.k8s.io/cedana-not-ready", value: "true", effect: "NoSchedule" },
      },
    });
    expect(rule({ retaint: {}, dryRun: true })).toMatchObject({
      spec: { enforcementMode: "continuous", dryRun: true },
    });
  });

  test("grant no permissions of a disabled controller", () => {
    const names = (install: InstallSpec) =>
      synth(install)
        .filter(
          ({ kind, metadata }) => kind.endsWith("Role") && metadata.name.startsWith("cedana-controller"),
        )
        .map(({ kind, metadata: { name, namespace } }) => [kind, name.slice(17), namespace].join(" ").trim());
    const lease = "Role -lease cedana-system";
    const nodes = ["ClusterRole", "Role -agents cedana-system", "Role -events default"];
    const identity = "ClusterRole -identity";
    expect(names(ON)).toEqual([lease, ...nodes, "Role -checkpoints default", identity]);
    expect(names({ ...ON, checkpoints: false })).toEqual([lease, ...nodes, identity]);
    expect(names({ ...ON, checkpoints: { namespaces: "all" }, readinessGate: { owner: "manager" } })).toEqual(
      [lease, "Role -events default", "ClusterRole -checkpoints", identity],
    );
  });

  test("grant changes of nodes only to the gate owner", () => {
    const verbs = (install: InstallSpec) => {
      const role = of(synth(install), "ClusterRole", "cedana-controller");
      const { rules } = role as unknown as { rules: { resources: string[]; verbs: string[] }[] };
      return rules.find(({ resources }) => resources.includes("nodes"))?.verbs;
    };
    expect(verbs(ON)).toContain("patch");
    expect(verbs(RULE)).not.toContain("patch");
    expect(verbs({ ...ON, readinessGate: { dryRun: true } })).not.toContain("patch");
  });
});

test.each<[string, InstallSpec, Partial<CedanaEngineSpec>?]>([
  ["a gate owner that does not exist", { readinessGate: { owner: "controller" } }],
  ["a rule whose condition no controller writes", { readinessGate: { owner: "nodeReadinessRule" } }],
  ["two gate owners", ON, { manager: { taintNodes: true } }],
  ["two gate owners, one of them a NodeReadinessRule", RULE, { manager: { taintNodes: true } }],
  ["another taint for the manager", { readinessGate: { taint: { key: "a/b" } } }],
  ["another effect for the manager", { readinessGate: { taint: { effect: "NoExecute" } } }],
  [
    "another taint for a rule",
    { ...ON, readinessGate: { owner: "nodeReadinessRule", taint: { key: "a/b" } } },
  ],
  [
    "gate settings that the manager does not support",
    { readinessGate: { retaint: {}, failOpenAfterSeconds: 60, dryRun: true } },
  ],
  [
    "gate settings that a NodeReadinessRule does not support",
    {
      ...ON,
      readinessGate: { owner: "nodeReadinessRule", retaint: { holdOffSeconds: 5 }, failOpenAfterSeconds: 60 },
    },
  ],
  [
    "an eviction of all pods by every update",
    { ...ON, readinessGate: { retaint: {}, taint: { effect: "NoExecute" } } },
  ],
  ["checkpoints without a controller", { checkpoints: {} }],
  ["checkpoints without a manager", ON, { manager: { replicas: 0 } }],
  [
    "a controller with all features disabled",
    { ...ON, readinessGate: { owner: "manager" }, checkpoints: false },
  ],
  ["a controller without an image", { controller: {} } as InstallSpec],
  ["an image without a version", { controller: { image: { repository: "a/b" } } }],
  ["one Lease for two programs", ON, { manager: { leaseName: "cedana-controller" } }],
  ["one ServiceAccount for two programs", ON, { manager: { serviceAccount: { name: "cedana-controller" } } }],
  ["an agent that cannot reach its nodes", { ...ON, helper: { tolerations: [] } }],
  [
    "a toleration of the startup taint",
    { ...ON, readinessGate: { taint: { key: "a/b" } } },
    { runtimeClass: { tolerations: [{ key: "a/b" }] } },
  ],
  ["a variable that the toolkit sets", { controller: { image, env: { POD_NAME: "a" } } }],
])("rejects %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toMatchSnapshot();
});

describe("cedana.yaml", () => {
  const file = (nodes: string, install: string, cluster = "") => `version: 1
cluster: { name: a, version: "1.34", region: eu-west-1, bootstrapClusterCreatorAdminPermissions: true${cluster} }
engine: { kind: cedana, clusterId: ${ENGINE.clusterId}, url: "${ENGINE.url}" }
${nodes}
install: { controller: { image: { repository: a/b, tag: "1.0" } }, ${install} }
`;
  const group = (more: string) =>
    `nodeGroups: [{ name: a, instanceTypes: [m7i.large], scaling: { min: 1, max: 2 }${more} }]`;
  const problemsOf = (text: string) => (readPlatform(text).problems ?? []).map(formatProblem);
  const RULE_TAINT = ", startupTaint: { key: readiness.k8s.io/cedana-not-ready }";
  const DNS = `, addons: { coredns: { configuration: { tolerations: [{ key: readiness.k8s.io/cedana-not-ready, operator: Exists }] } } }`;

  test("accepts nodes with the startup taint, whatever the gate owner", () => {
    expect(problemsOf(file(group(""), ""))).toEqual([]);
    expect(problemsOf(file(group(RULE_TAINT), "readinessGate: { owner: nodeReadinessRule }", DNS))).toEqual(
      [],
    );
    expect(
      problemsOf(file(group(", startupTaint: false"), "readinessGate: { owner: nodeReadinessRule }")),
    ).toEqual([]);
  });

  test("reports nodes with another taint and a CoreDNS that does not tolerate it, with a remedy", () => {
    expect(problemsOf(file(group(""), "readinessGate: { owner: nodeReadinessRule }"))).toMatchSnapshot(
      "another taint",
    );
    expect(
      problemsOf(file(group(RULE_TAINT), "readinessGate: { owner: nodeReadinessRule }")),
    ).toMatchSnapshot("CoreDNS");
  });
});
