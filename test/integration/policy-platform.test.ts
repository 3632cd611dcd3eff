/**
 * Policies that Cedana's platform executes, on a real API server: two controllers with the permissions and admission policies of the
 * install, and a test double of the platform. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApiServer, eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { cut, respondWith } from "../support/manager-server";
import { PlatformServer, TOKEN } from "../support/platform-server";
import { PoliciesInstall, type PolicyStatusObject } from "./support/policies-install";

const config = kubeconfig();
const MERGE = { contentType: "application/merge-patch+json" };
const RECORD = "platform-platform-policies";
const interval = { heartbeat: { intervalSeconds: 60 } };

(config === undefined ? describe.skip : describe)("policies of the platform on a real API server", () => {
  let api: ApiServer;
  let install: PoliciesInstall;
  let platform: PlatformServer;

  beforeAll(async () => {
    platform = await PlatformServer.start();
    api = new ApiServer(config ?? "");
    install = new PoliciesInstall(api, "platform");
    const tokenFile = join(install.folder, "token");
    writeFileSync(tokenFile, TOKEN);
    await install.start(
      { platform: { heartbeatUnit: "minutes", compareSeconds: 30 } },
      { url: platform.url, tokenFile },
    );
    const [pod = ""] = await install.deployment("web", 1);
    await install.setRunning(pod, new Date());
  });
  afterAll(async () => {
    await install.stop();
    await platform.stop();
    api.close();
  });

  const reasonOf = ({ conditions = [] }: PolicyStatusObject) =>
    conditions.find(({ type }) => type === "Ready")?.reason;
  const becomes = (name: string, reason: string) =>
    eventually(90, `${name} is ${reason}`, async () => reasonOf(await install.statusOf(name)) === reason);
  const change = (name: string, spec: object) =>
    install.send("PATCH", `${install.policies}/${name}`, { spec }, MERGE);
  const mine = () => [...platform.policies.values()].filter(({ id }) => id !== foreign?.id);
  let foreign: ReturnType<PlatformServer["byUser"]> | undefined;

  /** Prints what a user reads, for docs/policies.md. */
  function show(...args: string[]): void {
    if (process.env["CEDANA_SHOW"] === undefined) return;
    const kubectl = process.env["CEDANA_INTEGRATION_KUBECTL"] ?? "kubectl";
    const text = execFileSync(kubectl, ["--kubeconfig", config ?? "", "-n", install.team, ...args], {
      encoding: "utf8",
    });
    process.stderr.write(`$ kubectl ${args.join(" ")}\n${text}\n`);
  }

  test("creates a copy in the platform even if the response is lost and the leader is killed, and does not execute the policy", async () => {
    foreign = platform.byUser({ resource_list: ["other"] });
    const lost = (request: never, response: never) => {
      const { method, path, body } = request as { method: string; path: string; body: unknown };
      platform.handle(method, path, body);
      return cut(request, response);
    };
    // The first request is the list of the first round.
    platform.next.push(undefined, lost as never);
    await install.policy("mirrored", { trigger: interval, executor: "Platform" });
    await eventually(60, "the copy was created", async () => Promise.resolve(mine().length > 0));
    await install.killLeader();
    await becomes("mirrored", "Mirrored");
    expect(mine()).toMatchObject([{ input: 1, resource: "namespace", resource_list: [install.team] }]);
    expect(await install.statusOf("mirrored")).toMatchObject({
      platform: { id: mine()[0]?.id, state: "active", pods: 2 },
    });
    expect(platform.policies.get(foreign.id)).toEqual(foreign);
    expect(await install.taken("mirrored")).toEqual([]);
    show("get", "ckptpol", "mirrored");
    show("get", "ckptpol", "mirrored", "-o", "jsonpath={.status.platform}");
  });

  test("the controller executes its own policies during an outage of the platform, and reports the outage", async () => {
    for (let index = 0; index < 20; index++)
      platform.next.push(respondWith(429, '{"message":"too many requests"}', { "retry-after": "20" }));
    const before = platform.requests.length;
    await install.policy("here", {
      trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 0 } },
      minSpacingSeconds: 30,
    });
    await eventually(90, "here has a Checkpoint", async () => (await install.taken("here")).length > 0);
    // A round waits for 20 s or longer, as the platform asked for.
    expect(platform.requests.length - before).toBeLessThan(6);
    expect(reasonOf(await install.statusOf("mirrored"))).toBe("Mirrored");
    platform.next.length = 0;
  });

  test("reports drift, and writes the copy again when the policy changes", async () => {
    const [copy] = mine();
    platform.policies.set(copy!.id, { ...copy!, input: 99 });
    await becomes("mirrored", "Drifted");
    show("get", "ckptpol", "mirrored", "-o", 'jsonpath={.status.conditions[?(@.type=="Failed")].message}');
    show("get", "events", "--field-selector", "involvedObject.name=mirrored");
    await change("mirrored", { trigger: { heartbeat: { intervalSeconds: 120 } } });
    await becomes("mirrored", "Mirrored");
    expect(mine()).toMatchObject([{ id: copy?.id, input: 2 }]);
  });

  test("the controller executes the policy again when the platform has no copy", async () => {
    await change("mirrored", { executor: "Controller", trigger: interval, minSpacingSeconds: 0 });
    await becomes("mirrored", "Scheduled");
    expect(mine()).toEqual([]);
    await eventually(150, "it has a Checkpoint", async () => (await install.taken("mirrored")).length > 0);
  });

  test("the deletion of the policy deletes the copy and its record", async () => {
    await install.policy("deleted", { trigger: interval, executor: "Platform" });
    await becomes("deleted", "Mirrored");
    const path = `/api/v1/namespaces/${install.system}/configmaps/${RECORD}`;
    const record = async () =>
      (await install.send<{ data: Record<string, string> }>("GET", path)).data["policies.json"] ?? "";
    expect(await record()).toContain(mine()[0]?.id ?? "none");
    expect(await record()).not.toContain(TOKEN);
    await install.send("DELETE", `${install.policies}/deleted`);
    await eventually(60, "the copy is gone", async () => Promise.resolve(mine().length === 0));
    await eventually(60, "the record is empty", async () => (await record()).includes('"policies":{}'));
    expect([...platform.policies.values()]).toEqual([foreign]);
  });

  test("the account cannot create or change another ConfigMap", async () => {
    const as = { as: `system:serviceaccount:${install.system}:platform-controller` };
    const path = `/api/v1/namespaces/${install.system}/configmaps`;
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other" } };
    const created = await api.request<{ message: string }>("POST", path, body, as);
    expect(created.status).toBe(403);
    expect(created.body.message).toContain(`the controller may create only the ConfigMap ${RECORD}`);
    const settings = `${path}/platform-controller-settings`;
    expect((await api.request("PATCH", settings, { data: {} }, { ...as, ...MERGE })).status).toBe(403);
    expect(
      (await api.request("PATCH", `${install.policies}/here`, { spec: {} }, { ...as, ...MERGE })).status,
    ).toBe(403);
  });
});
