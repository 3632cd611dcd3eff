/** One pod with most of what a pod can have: what the restored process keeps, and what it gets from its new pod. */
import { RESTORE } from "../support/steps";
import { shellAfter, type Suite } from "./pods";

const NAMES = ["shell", "sidecar"];

/** Returns the pod. A checkpoint may be restored with another limit and another ConfigMap. */
const spec = (memory: string, config: string) => ({
  securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, runAsNonRoot: true },
  volumes: [
    { name: "data", emptyDir: {} },
    { name: "memory", emptyDir: { medium: "Memory" } },
    { name: "config", configMap: { name: config } },
  ],
  initContainers: [
    {
      ...shellAfter("echo sidecar > /data/sidecar", { restartPolicy: "Always" }),
      name: "sidecar",
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    },
  ],
  containers: [
    shellAfter("tty; echo $$ > /data/own; echo $$ > /memory/own; exec 3>>/memory/open; echo 1 >&3", {
      tty: true,
      stdin: true,
      resources: { limits: { memory, cpu: "500m" } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
      volumeMounts: [
        { name: "data", mountPath: "/data", subPath: "part" },
        { name: "memory", mountPath: "/memory" },
        { name: "config", mountPath: "/config" },
      ],
    }),
  ],
});

export function featureTests(suite: Suite): void {
  const config = (name: string, value: string) =>
    suite.engine.kubectl(["apply", "-f", "-"], {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name },
      data: { key: value },
    });
  const shell = (script: string) =>
    suite.engine.kubectl(["exec", "web", "-c", "shell", "--", "sh", "-c", script]);
  /** Returns what the kernel limits for the process of the container, and what its mounts have. */
  const state = () => ({
    process: shell("grep -E '^(Uid|Gid|Groups|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/1/status"),
    files: shell("cat /data/own /memory/own /memory/open; ls -A /data; touch /file 2>&1 || true"),
    root: shell("grep ' / ' /proc/1/mounts | cut -d' ' -f4 | cut -d, -f1"),
  });
  /** Returns the memory limit of the cgroup that the process is in, as the node has it. */
  const limit = () =>
    Number(
      suite.engine.onNode(
        "sh",
        "-c",
        `v1=$(sed -n 's/^[0-9]*:memory://p' /proc/$0/cgroup); v2=$(sed -n 's/^0:://p' /proc/$0/cgroup)
cat "/sys/fs/cgroup/memory$v1/memory.limit_in_bytes" || cat "/sys/fs/cgroup$v2/memory.max"`,
        suite.steps.process("web"),
      ),
    );

  /** Returns the UID of the pod that the token of the service account is for. */
  const podOfToken = () => {
    const claims = shell("cut -d. -f2 /var/run/secrets/kubernetes.io/serviceaccount/token").trim();
    const { pod } = JSON.parse(Buffer.from(claims, "base64url").toString())["kubernetes.io"];
    return pod.uid as string;
  };

  test("terminal, user, seccomp, read-only root, volumes and a native sidecar are kept; limits, ConfigMaps and the token are the new pod's", async () => {
    const { engine, steps } = suite;
    config("old", "old value");
    config("new", "new value");
    engine.runPod({ metadata: { name: "web" }, spec: spec("64Mi", "old") });
    const before = await steps.reach("web", NAMES, () => 3);
    const kept = state();
    expect(kept.process).toMatch(
      /Uid:\s1000[^]*Groups:\s2000[^]*CapEff:\s0+\n[^]*NoNewPrivs:\s1\nSeccomp:\s2\n/,
    );
    expect(kept.root).toBe("ro\n");
    expect(limit()).toBe(64 * 2 ** 20);
    const { status } = await steps.taken("cp", "web");
    expect(status.containers?.map(({ name }) => name).toSorted()).toEqual(NAMES);
    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec: spec("96Mi", "new") });
    await steps.resumed("web", NAMES, before);
    expect(state()).toEqual(kept);
    expect(shell("cat /config/key")).toBe("new value");
    expect(limit()).toBe(96 * 2 ** 20);
    const uid = engine.kubectl(["get", "pod", "web", "-o", "jsonpath={.metadata.uid}"]);
    expect(podOfToken()).toBe(uid);
    expect(steps.status("web", ".containerStatuses[*].restartCount")).toBe("0");
    engine.kubectl(["delete", "configmap", "old", "new"]);
  });
}
