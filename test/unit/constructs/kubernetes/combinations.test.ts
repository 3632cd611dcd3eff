import * as fc from "fast-check";
import type { CedanaEngineSpec, InstallSpec } from "../../../../config";
import { synth, type KubernetesObject } from "./support";
import { assertProperty } from "../../../support/property";

const namespaces = fc.oneof(
  fc.constant("all" as const),
  fc.uniqueArray(fc.constantFrom("default", "team-a", "team-b"), { minLength: 1 }),
);

/** Any combination of the options that add, leave out or rename objects. */
const installs = fc.record(
  {
    name: fc.constantFrom("cedana", "cr", "a-rather-long-name-of-40-characters-in-a"),
    namespace: fc.constantFrom("cedana-system", "checkpoints"),
    agentNamespace: fc.constantFrom("cedana-agent", "checkpoints"),
    createNamespace: fc.boolean(),
    crds: fc.boolean(),
    networkPolicies: fc.constantFrom(false as const, {}),
    kueue: fc.constant({ localQueues: [{ namespace: "default" }, { namespace: "team-a" }] }),
    syncWaves: fc.boolean(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<InstallSpec>;
const engines = fc.record(
  {
    protocol: fc.constantFrom("unix" as const, "tcp" as const),
    gpu: fc.constantFrom("none" as const, "interception" as const),
    existingConfigMap: fc.constant("mine"),
    runtimeClass: fc.constant(false as const),
    networkPolicies: fc.constant({ allowIngressFromNamespaces: [{ team: "a" }] }),
    attachAccount: fc.record(
      {
        permissions: fc.constantFrom("install" as const, "cluster-admin" as const),
        tokenRequesters: fc.constant([{ kind: "User" as const, name: "me" }]),
      },
      { requiredKeys: [] },
    ),
    dynamoWatcher: fc.record({ namespaces, createLoadBalancer: fc.boolean() }),
    manager: fc.record(
      {
        workloadNamespaces: namespaces,
        leaseName: fc.constant("lease"),
        metrics: fc.constant({
          readers: [{ namespace: "monitoring", name: "prometheus" }],
          serviceMonitor: true,
        }),
        serviceAccount: fc.constant({ name: "own" }),
      },
      { requiredKeys: [] },
    ),
    secrets: fc.constant({ awsAccessKeyId: { name: "keys", key: "id" } }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Partial<CedanaEngineSpec>>;

const key = ({ kind, metadata }: KubernetesObject) => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

interface Workload extends KubernetesObject {
  spec: {
    selector: { matchLabels: Record<string, string> };
    template: {
      metadata: { labels: Record<string, string> };
      spec: {
        serviceAccountName: string;
        volumes: { name: string }[];
        containers: {
          env?: { name: string; valueFrom?: { configMapKeyRef?: { name: string; key: string } } }[];
          ports?: { name: string }[];
          volumeMounts?: { name: string }[];
        }[];
      };
    };
  };
}

const workloads = (objects: KubernetesObject[]) =>
  objects.filter(({ kind }) => kind === "DaemonSet" || kind === "Deployment") as Workload[];

test("creates everything that an object refers to, in every combination", () => {
  assertProperty(
    fc.property(installs, engines, (install, engine) => {
      const objects = synth(install, engine);
      const keys = new Set(objects.map(key));
      expect(keys.size).toBe(objects.length);
      const missing: string[] = [];
      const need = (what: string) => (keys.has(what) ? 0 : missing.push(what));
      for (const object of objects) {
        const home = object.metadata.namespace ?? "";
        const { roleRef } = object as { roleRef?: { kind: string; name: string } };
        if (roleRef && roleRef.name !== "cluster-admin") {
          need(`${roleRef.kind}/${roleRef.kind === "Role" ? home : ""}/${roleRef.name}`);
        }
        const { subjects = [] } = object as unknown as {
          subjects?: { kind: string; name: string; namespace?: string }[];
        };
        for (const { kind, name, namespace = "" } of subjects) {
          if (kind === "ServiceAccount" && namespace !== "monitoring") need(`${kind}/${namespace}/${name}`);
        }
      }
      for (const { metadata, spec } of workloads(objects)) {
        const home = metadata.namespace ?? "";
        const { containers, serviceAccountName, volumes } = spec.template.spec;
        need(`ServiceAccount/${home}/${serviceAccountName}`);
        for (const { env = [], volumeMounts = [] } of containers) {
          expect(new Set(env.map(({ name }) => name)).size).toBe(env.length);
          for (const { valueFrom } of env) {
            const reference = valueFrom?.configMapKeyRef;
            if (!reference || reference.name === "mine") continue;
            const map = objects.find((object) => key(object) === `ConfigMap/${home}/${reference.name}`);
            if (!Object.hasOwn(map?.["data"] ?? {}, reference.key)) missing.push(reference.key);
          }
          for (const { name } of volumeMounts)
            if (!volumes.some((volume) => volume.name === name)) missing.push(name);
        }
      }
      expect(missing).toEqual([]);
    }),
    40,
  );
});

test("lets each selector match the pods of exactly one workload, and each Service their ports, in every combination", () => {
  const subset = (part: Record<string, string>, whole: Record<string, string>) =>
    Object.entries(part).every(([name, value]) => whole[name] === value);
  assertProperty(
    fc.property(installs, engines, (install, engine) => {
      const objects = synth({ ...install, labels: { "app.kubernetes.io/component": "mine" } }, engine);
      const all = workloads(objects);
      const chosen = (labels: Record<string, string>, home: string | undefined) =>
        all.filter(
          ({ metadata, spec }) =>
            metadata.namespace === home && subset(labels, spec.template.metadata.labels),
        );
      for (const { kind, metadata, spec } of objects) {
        const of = spec as Record<string, { matchLabels?: Record<string, string> }> | undefined;
        const labels =
          kind === "Service"
            ? (of?.["selector"] as Record<string, string>)
            : of?.[kind === "NetworkPolicy" ? "podSelector" : "selector"]?.matchLabels;
        if (labels === undefined || kind === "ServiceMonitor") continue;
        const [first, ...others] = chosen(labels, metadata.namespace);
        expect([kind, metadata.name, first === undefined, others.length]).toEqual([
          kind,
          metadata.name,
          false,
          0,
        ]);
        if (kind !== "Service") continue;
        const ports = first?.spec.template.spec.containers.flatMap((container) => container.ports ?? []);
        for (const { targetPort } of (spec as { ports: { targetPort: string }[] }).ports) {
          expect(ports?.map(({ name }) => name)).toContain(targetPort);
        }
      }
    }),
    40,
  );
});
