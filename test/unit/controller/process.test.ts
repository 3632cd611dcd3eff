import { ApiError, Metrics, createLogger, EXIT } from "../../../kube";
import { runController } from "../../../controller";
import type { ControllerSettings } from "../../../config/programs/controller";
import { FakeApi } from "../../../testbed/fake-api";

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/cedana-system/leases/cedana-controller";
const SETTINGS: ControllerSettings = {
  namespace: "cedana-system",
  leaseName: "cedana-controller",
  log: { level: "info" },
  gate: {
    owner: "controller",
    taint: { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" },
    nodeSelector: { "cedana.ai/enabled": "true" },
    agents: [{ name: "helper", namespace: "cedana-system", daemonSet: "cedana-helper" }],
    podSelector: { "app.kubernetes.io/name": "cedana" },
    hashAnnotation: "checksum/config",
    retaint: false,
    explainAfterSeconds: 60,
    dryRun: false,
  },
  restore: false,
  checkpoints: {
    namespaces: "all",
    maxPerNode: 2,
    waitSeconds: 3600,
    locations: [],
    engine: "cedana",
    manager: {
      url: "http://cedana-manager-service.cedana-system:1324",
      root: "/run/containerd",
      timeoutSeconds: 600,
    },
  },
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("starts all controllers, becomes ready and leader, and releases the lease on SIGTERM", async () => {
  const api = new FakeApi();
  const metrics = new Metrics();
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  const options = { identity: "pod-1", metricsPort: 0, healthPort: 0, log, metrics };
  const ended = runController(SETTINGS, api, options);
  await until(() => lines.some((line) => line.includes('"leading"')));

  const ports = Object.fromEntries(
    lines
      .map((line) => JSON.parse(line) as { server?: string; port?: number })
      .flatMap(({ server, port }) => (server === undefined ? [] : [[server, port]])),
  ) as Record<string, number>;
  const ready = await fetch(`http://127.0.0.1:${ports["health"]}/readyz?verbose`);
  expect(ready.status).toBe(200);
  expect(await ready.text()).toContain("[+]synced-nodes ok\n");
  expect(lines[0]).toContain(
    '"controllers":["readiness","readiness-conditions","checkpoints","checkpoint-records","cedanas","artifacts","denied-lists"]',
  );
  const live = await fetch(`http://127.0.0.1:${ports["health"]}/healthz?verbose`);
  expect(await live.text()).toContain("[+]leader-election ok\n");
  const figures = await (await fetch(`http://127.0.0.1:${ports["metrics"]}/metrics`)).text();
  expect(figures).toContain('leader_election_master_status{name="cedana-controller"} 1');
  expect(figures).toContain("process_resident_memory_bytes");
  expect(api.get(LEASE)?.["spec"]).toMatchObject({
    holderIdentity: expect.stringMatching(/^pod-1_/) as string,
  });

  process.emit("SIGTERM");
  expect(await ended).toBe(EXIT.stopped);
  expect(api.get(LEASE)?.["spec"]).toMatchObject({ holderIdentity: "" });
  expect(api.watches).toEqual([]);
});

test("a namespace whose lists are denied takes nothing from the others, and is picked up when they are permitted", async () => {
  const api = new FakeApi();
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  const metrics = new Metrics();
  const options = { identity: "pod-1", metricsPort: 0, healthPort: 0, log, metrics };
  const checkpoints = { ...SETTINGS.checkpoints, namespaces: ["team-a", "team-b", "team-c"] };
  let denied = true;
  api.before = ({ path }) => {
    if (denied && path.includes("/namespaces/team-b/")) throw new ApiError(403, "forbidden in team-b");
  };
  const root = "/apis/automation.cedana.ai/v1alpha1";
  for (const namespace of checkpoints.namespaces)
    api.put(`${root}/checkpoints`, {
      metadata: { name: "one", namespace },
      spec: { podRef: { name: "missing" } },
    } as never);
  const reasonIn = (namespace: string) => {
    const object = api.get(`${root}/namespaces/${namespace}/checkpoints/one`);
    const { conditions = [] } = (object?.["status"] ?? {}) as { conditions?: { reason: string }[] };
    return conditions[0]?.reason;
  };

  const settings = { ...SETTINGS, checkpoints } as ControllerSettings;
  const ended = runController(settings, api, options);
  await until(() => ["team-a", "team-c"].every((one) => reasonIn(one) === "SourcePodNotFound"));
  const parsed = lines.map((line) => JSON.parse(line) as { server?: string; port?: number });
  const { port } = parsed.find(({ server }) => server === "health") ?? {};
  const [ready, live] = await Promise.all(
    ["readyz", "healthz"].map((path) => fetch(`http://127.0.0.1:${port}/${path}`)),
  );
  expect([ready?.status, live?.status]).toEqual([200, 200]);
  const events = () => api.log.flatMap(({ method, body }) => (method === "POST" ? [body?.content] : []));
  await until(() => JSON.stringify(events()).includes("ListDenied"));
  expect(events()).toContainEqual(
    expect.objectContaining({
      reason: "ListDenied",
      regarding: { apiVersion: "v1", kind: "Namespace", name: "team-b" },
      note: "cedanas/team-b, checkpoints/team-b: forbidden in team-b",
    }),
  );
  const series = 'cedana_reflector_denied{reflector="checkpoints/team-b"}';
  expect(await metrics.registry.metrics()).toContain(`${series} 1`);
  expect(reasonIn("team-b")).toBeUndefined();

  denied = false;
  await until(() => reasonIn("team-b") === "SourcePodNotFound");
  expect(await metrics.registry.metrics()).toContain(`${series} 0`);
  process.emit("SIGTERM");
  expect(await ended).toBe(EXIT.stopped);
}, 30_000);
