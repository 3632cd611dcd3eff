import { deriveSandbox, readSettings, requestsOf, type Derived } from "../../../../controller/verify/sandbox";
import { sandboxName } from "../../../../controller/verify/action";
import { asJson, checkpointOf, REQUEST, storedPod, TOKEN } from "./support";

function podOf(derived: Derived) {
  if (!("pod" in derived)) throw new Error(derived.obstacles.join("; "));
  return derived.pod;
}
const obstacles = (derived: Derived) => ("obstacles" in derived ? derived.obstacles : []);

test("a sandbox pod has what the node compares, and nothing by which the original is found, reached or stopped", () => {
  const pod = podOf(deriveSandbox(storedPod(), checkpointOf("app", "mesh"), REQUEST));
  expect(pod.metadata).toEqual({
    namespace: "team-a",
    name: REQUEST.name,
    labels: { "cedana.ai/verification": "uid-policy" },
    annotations: {
      "container.apparmor.security.beta.kubernetes.io/app": "localhost/web",
      "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
      "cedana.ai/restore-from": "before",
      "cedana.ai/restore-fallback": "stop",
      "cedana.ai/restore-shared": "true",
      "cedana.ai/verification-settings": JSON.stringify({
        policy: "prove",
        pod: "web-0",
        runSeconds: 30,
        timeoutSeconds: 600,
        hasProbe: false,
      }),
    },
    ownerReferences: [
      { apiVersion: "automation.cedana.ai/v1alpha1", kind: "Checkpoint", name: "before", uid: "uid-before" },
    ],
  });
  expect(pod.spec).toEqual({
    activeDeadlineSeconds: 600,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    restartPolicy: "OnFailure",
    nodeSelector: { zone: "a" },
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } },
    },
    securityContext: { runAsUser: 1000, fsGroup: 1000 },
    containers: [
      {
        name: "app",
        image: "app:1",
        command: ["serve"],
        securityContext: { capabilities: { drop: ["ALL"] } },
        resources: { requests: { cpu: "250m", memory: "64Mi" } },
        volumeMounts: [
          { name: "work", mountPath: "/work" },
          { name: TOKEN.name, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
        ],
      },
    ],
    initContainers: [{ name: "mesh", image: "mesh:1", restartPolicy: "Always" }],
    volumes: [
      { name: "work", emptyDir: {} },
      { name: TOKEN.name, projected: { defaultMode: 420, sources: TOKEN.projected.sources.slice(1) } },
    ],
  });
});

test("a volume of tokens only keeps its mount, without a token", () => {
  const tokens = { name: "aws", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } };
  const given = storedPod({ volumes: [tokens] }, { volumeMounts: [{ name: "aws", mountPath: "/aws" }] });
  expect(podOf(deriveSandbox(given, checkpointOf("app"), REQUEST)).spec["volumes"]).toEqual([
    {
      name: "aws",
      projected: {
        sources: [{ downwardAPI: { items: [{ path: "pod", fieldRef: { fieldPath: "metadata.name" } }] } }],
      },
    },
  ]);
});

test("a container without a checkpoint, and what only it mounts, is left out", () => {
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
  const other = { name: "other", image: "other:1", volumeMounts: [{ name: "data", mountPath: "/data" }] };
  const given = storedPod({ volumes, containers: [{ name: "app", image: "app:1" }, other] });
  const { spec } = podOf(deriveSandbox(given, checkpointOf("app"), REQUEST));
  expect([spec["containers"], spec["volumes"]]).toEqual([[{ name: "app", image: "app:1" }], []]);
});

test.each([
  ["hostNetwork", { hostNetwork: true }, {}, "the pod has hostNetwork"],
  ["hostPID", { hostPID: true }, {}, "the pod has hostPID"],
  ["hostIPC", { hostIPC: true }, {}, "the pod has hostIPC"],
  ["hostUsers: false", { hostUsers: false }, {}, "user namespace"],
  ["devices by claim", { resourceClaims: [{ name: "gpu" }] }, {}, "claims devices"],
  ["privileged", {}, { securityContext: { privileged: true } }, "container app is privileged"],
  [
    "capabilities beyond baseline",
    {},
    { securityContext: { capabilities: { add: ["CHOWN", "SYS_ADMIN", "ALL"] } } },
    "container app adds the capabilities SYS_ADMIN, ALL",
  ],
  ["procMount", {}, { securityContext: { procMount: "Unmasked" } }, "container app has procMount Unmasked"],
  [
    "no seccomp profile",
    { securityContext: { seccompProfile: { type: "Unconfined" } } },
    {},
    "the pod has no seccomp profile (Unconfined)",
  ],
  [
    "a container without a seccomp profile",
    {},
    { securityContext: { seccompProfile: { type: "Unconfined" } } },
    "container app has no seccomp profile (Unconfined)",
  ],
  [
    "no AppArmor profile",
    { securityContext: { appArmorProfile: { type: "Unconfined" } } },
    {},
    "the pod has no AppArmor profile (Unconfined)",
  ],
  [
    "a container without an AppArmor profile",
    {},
    { securityContext: { appArmorProfile: { type: "Unconfined" } } },
    "container app has no AppArmor profile (Unconfined)",
  ],
  ["block devices", {}, { volumeDevices: [{ name: "d" }] }, "container app has block devices"],
  ["a GPU", {}, { resources: { limits: { "nvidia.com/gpu": "1" } } }, "the device nvidia.com/gpu"],
  ["a PVC", { volumes: [{ name: "work", persistentVolumeClaim: {} }] }, {}, "volume work is persistent"],
  ["an ephemeral volume", { volumes: [{ name: "work", ephemeral: {} }] }, {}, "volume work is persistent"],
  [
    "hostPath",
    { volumes: [{ name: "work", hostPath: { path: "/" } }] },
    {},
    "volume work has the type hostPath",
  ],
  ["CSI", { volumes: [{ name: "work", csi: {} }] }, {}, "volume work has the type csi"],
  ["a type of the future", { volumes: [{ name: "work", warp: {} }] }, {}, "volume work has the type warp"],
])("a pod with %s is not verified", (_, spec, container, message) => {
  const found = obstacles(deriveSandbox(storedPod(spec, container), checkpointOf("app"), REQUEST));
  expect(found).toEqual([expect.stringContaining(message)]);
});

test("an annotation can leave a container without an AppArmor profile, but only one that is restored", () => {
  const of = (name: string) => {
    const pod = storedPod() as { readonly metadata: { readonly annotations: object } };
    const annotations = { [`container.apparmor.security.beta.kubernetes.io/${name}`]: "unconfined" };
    return asJson({ ...pod, metadata: { ...pod.metadata, annotations } });
  };
  expect(obstacles(deriveSandbox(of("app"), checkpointOf("app"), REQUEST))).toEqual([
    "container app has no AppArmor profile (Unconfined)",
  ]);
  expect(obstacles(deriveSandbox(of("gone"), checkpointOf("app"), REQUEST))).toEqual([]);
});

test("capabilities of baseline, profiles and less privileges are no obstacle", () => {
  const securityContext = {
    procMount: "Default",
    seccompProfile: { type: "RuntimeDefault" },
    appArmorProfile: { type: "Localhost", localhostProfile: "web" },
    capabilities: { add: ["NET_BIND_SERVICE", "SYS_CHROOT"], drop: ["ALL"] },
  };
  const pod = storedPod({}, { securityContext });
  expect(obstacles(deriveSandbox(pod, checkpointOf("app"), REQUEST))).toEqual([]);
});

test("obstacles of the request: another zone, no such container, only sidecars", () => {
  const of = (names: string[], more: object) =>
    obstacles(deriveSandbox(storedPod(), checkpointOf(...names), { ...REQUEST, ...more }));
  expect(of(["app"], { nodeSelector: { zone: "b" } })).toEqual([expect.stringContaining("zone=a")]);
  const probe = { command: ["true"], container: "db" };
  expect(of(["app"], { settings: { probe } })).toEqual([expect.stringContaining("no container db")]);
  expect(of(["mesh"], {})).toEqual([expect.stringContaining("only sidecars")]);
});

test("the probe is the readiness probe of its container, by default of the first one", () => {
  const probe = { command: ["test", "-e", "/work/up"], periodSeconds: 2, timeoutSeconds: 1 };
  const { spec } = podOf(
    deriveSandbox(storedPod(), checkpointOf("app", "mesh"), { ...REQUEST, settings: { probe } }),
  );
  expect(spec).toMatchObject({
    containers: [
      {
        readinessProbe: {
          exec: { command: probe.command },
          periodSeconds: 2,
          timeoutSeconds: 1,
          failureThreshold: 3,
        },
      },
    ],
    initContainers: [{ name: "mesh" }],
  });
  expect(JSON.stringify(spec["initContainers"])).not.toContain("readinessProbe");
});

test("settings that the controller did not write are not read", () => {
  const valid = { policy: "p", pod: "web-0", runSeconds: 1, timeoutSeconds: 2, hasProbe: false };
  expect(readSettings(JSON.stringify(valid))).toEqual(valid);
  for (const change of [{ runSeconds: -1 }, { timeoutSeconds: "600" }, { hasProbe: undefined }, { pod: 1 }])
    expect(readSettings(JSON.stringify({ ...valid, ...change }))).toBeUndefined();
  expect([readSettings("{"), readSettings("null"), readSettings(undefined)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("requests are those of all containers together, or of the pod", () => {
  const of = (requests: object) => ({ resources: { requests } });
  const containers = [of({ cpu: "250m", memory: "1Gi" }), of({ cpu: "1" })];
  expect(requestsOf(asJson({ spec: { containers, initContainers: [of({ cpu: "50m" })] } }))).toEqual({
    cpu: 1_300_000_000n,
    memory: 2n ** 30n * 10n ** 9n,
  });
  expect(requestsOf(asJson({ spec: { containers, ...of({ cpu: "2" }) } }))).toMatchObject({
    cpu: 2_000_000_000n,
  });
});

test("names of sandbox pods are host names, and end with the hash of the run", () => {
  expect(sandboxName("team-a/web-0-0123456789ab")).toBe("verify-web-0-0123456789ab");
  const long = sandboxName(`team-a/${"a".repeat(40)}.b.${"c".repeat(100)}-0123456789ab`);
  expect(long).toBe(`verify-${"a".repeat(40)}-b-0123456789ab`);
  expect(long.length).toBeLessThanOrEqual(63);
});
