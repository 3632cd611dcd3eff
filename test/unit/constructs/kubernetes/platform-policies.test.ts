import type { InstallSpec } from "../../../../config";
import { readControllerSettings } from "../../../../config/programs/controller";
import { synth } from "./support";

const controller = { image: { repository: "registry.example.com/controller", tag: "1" } };
const ON = { controller, checkpoints: { namespaces: ["team-a"] } };
const named = (objects: ReturnType<typeof synth>, kind: string, name: string) =>
  objects.find((one) => one.kind === kind && one.metadata.name === name);

describe("the mirror in the platform", () => {
  const install = { ...ON, policies: { platform: { heartbeatUnit: "minutes" } } } satisfies InstallSpec;
  const url = "https://platform.example.com:8443/v1";
  const mirror = () => synth(install, { url, secrets: { authToken: { name: "account", key: "token" } } });

  test("without it, the controller has neither the token nor a ConfigMap nor egress to the platform", () => {
    const text = JSON.stringify(
      synth({ ...ON, policies: {} }, { url }).filter(({ metadata: { name } }) =>
        name?.startsWith("cedana-controller"),
      ),
    );
    for (const absent of ["platform", "configmaps", "8443", "cedana-secrets"])
      expect(text).not.toContain(absent);
  });

  test("mounts the token, and has neither its Secret nor its content in the settings", () => {
    const objects = mirror();
    const secret = { secretName: "account", items: [{ key: "token", path: "token" }], optional: true };
    const mount = { name: "platform-token", mountPath: "/etc/cedana-platform", readOnly: true };
    expect(named(objects, "Deployment", "cedana-controller")?.spec).toMatchObject({
      template: {
        spec: {
          volumes: expect.arrayContaining([{ name: "platform-token", secret }]) as unknown,
          containers: [{ volumeMounts: expect.arrayContaining([mount]) as unknown }],
        },
      },
    });
    const settings = named(objects, "ConfigMap", "cedana-controller-settings")?.["data"] as Record<
      string,
      string
    >;
    expect(readControllerSettings(settings["settings.json"] ?? "")).toMatchObject({
      value: {
        policies: {
          platform: {
            url,
            root: "/run/containerd/runc/k8s.io",
            namespace: "cedana-system",
            record: "cedana-platform-policies",
            tokenFile: "/etc/cedana-platform/token",
            heartbeatUnit: "minutes",
            drift: "report",
            compareSeconds: 60,
          },
        },
      },
    });
  });

  test("permits the ConfigMap of the record only, and egress to the port of the platform", () => {
    const objects = mirror();
    expect(named(objects, "Role", "cedana-controller-platform-policies")).toMatchObject({
      metadata: { namespace: "cedana-system" },
      rules: [
        { apiGroups: [""], resources: ["configmaps"], verbs: ["create"] },
        {
          apiGroups: [""],
          resources: ["configmaps"],
          resourceNames: ["cedana-platform-policies"],
          verbs: ["list", "watch", "patch"],
        },
      ],
    });
    const bound = named(objects, "ValidatingAdmissionPolicy", "cedana-controller-config-maps");
    expect(JSON.stringify(bound?.spec)).toContain("== 'cedana-platform-policies'");
    const platform = { ports: [{ port: 8443, protocol: "TCP" }] };
    expect(named(objects, "NetworkPolicy", "cedana-controller")?.spec).toMatchObject({
      egress: expect.arrayContaining([platform]) as unknown,
    });
  });

  test("a ClusterCheckpointPolicy cannot name the platform", () => {
    const policy = {
      name: "all",
      trigger: { manual: {} },
      filter: { namespaceSelector: {} },
      action: { checkpoint: {} },
    };
    const wrong = { ...policy, executor: "Platform" };
    const policies = { ...install.policies, clusterCheckpointPolicies: [wrong as typeof policy] };
    expect(() => synth({ ...ON, policies })).toThrow("policies.clusterCheckpointPolicies[0].executor");
  });
});
