/**
 * Two installs with different names and namespaces on one real API server: each restores the pods of its own namespaces, the
 * policies of one do not reject the controller of the other, and one stays complete when the other is uninstalled. Needs the same
 * as apiserver.test.ts.
 */
import { eventually, kubeconfig } from "../../testbed/cluster/apiserver";
import { checkpointOf, isPlanned, pod, RestoreInstall, type Pod } from "./support/restore-install";

const config = kubeconfig();
const names = (name: string) => ({ name, system: `${name}-system`, team: `${name}-team`, policies: true });

interface Stored {
  readonly metadata: { readonly uid: string };
  readonly record?: { readonly checkpointUID: string };
  readonly status: { readonly restore?: Record<string, string> };
}

(config === undefined ? describe.skip : describe)("Two installs", () => {
  const [left, right] = [names("left"), names("right")];
  const installs = [left, right].map((one) => ({
    ...one,
    install: new RestoreInstall(config ?? "", [], one),
  })) as [Named, Named];
  type Named = ReturnType<typeof names> & { readonly install: RestoreInstall };

  beforeAll(async () => {
    for (const { install } of installs) await install.start();
  }, 180_000);
  afterAll(async () => {
    for (const { install } of installs) await install.stop();
  }, 120_000);

  /** Creates a pod in the namespace of an install that requests the last checkpoint of its name. */
  const create = ({ team, install }: Named, name: string) =>
    install.send<Pod>(
      "POST",
      install.pods,
      pod(name, { "cedana.ai/restore-from": "latest" }, { namespace: team }),
    );

  /** Takes a pod from its admission to its restore. @returns whether an install has recorded both, and its result */
  const restore = async (one: Named, name: string) => {
    const { install, name: own } = one;
    const checkpoint = `${install.checkpoints}/from-${name}`;
    await install.checkpoint(`from-${name}`, { pod: name, owner: undefined, hash: "" });
    const created = await create(one, name);
    expect([isPlanned(created), checkpointOf(created), created.spec.runtimeClassName]).toEqual([
      true,
      `from-${name}`,
      `${own}-amd64`,
    ]);
    const { uid } = created.metadata;
    await install.bind(name);
    await install.reportRestore(uid, "Restored", "resumed");
    await eventually(30, "the restore is recorded, by the leader of the same install", async () => {
      const { status } = await install.send<Stored>("GET", checkpoint);
      return status.restore?.["state"] === "Restored" && status.restore["podUID"] === uid;
    });
    await eventually(30, "the result is recorded outside the status", async () => {
      const { metadata, record } = await install.send<Stored>("GET", checkpoint);
      return record?.checkpointUID === metadata.uid;
    });
    return true;
  };

  test("each restores a pod of its own namespace", async () => {
    for (const one of installs) expect(await restore(one, "web")).toBe(true);
  }, 180_000);

  test("each webhook is called only for the namespaces of its install", async () => {
    const admissions = async ({ install }: Named) => {
      const texts = await install.metrics();
      const all = texts.flatMap((text) => [
        ...text.matchAll(/^cedana_restore_admission_seconds_count\S* (\d+)$/gm),
      ]);
      return all.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await Promise.all(installs.map(admissions));
    await create(installs[0], "none");
    const after = await Promise.all(installs.map(admissions));
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 0]);
  });

  test("no account of one install may write Checkpoints of the other", async () => {
    const [{ install }] = installs;
    for (const { name, system, team } of [left, right])
      for (const namespace of [left.team, right.team]) {
        const user = `system:serviceaccount:${system}:${name}-controller`;
        const permission = {
          group: "automation.cedana.ai",
          resource: "checkpoints",
          namespace,
          verb: "patch",
        };
        expect(await install.api.isAllowed(user, { ...permission, subresource: "status" })).toBe(
          namespace === team,
        );
      }
  });

  test("one that is uninstalled leaves the other complete", async () => {
    const [first, second] = installs;
    await first.install.stop();
    expect(await restore(second, "later")).toBe(true);
    const api = new RestoreInstall(config ?? "", [], left);
    const created = await api.send<Pod>(
      "POST",
      api.pods,
      pod("alone", { "cedana.ai/restore-from": "latest" }, { namespace: left.team }),
    );
    expect(isPlanned(created)).toBe(false);
    await api.send("DELETE", `${api.pods}/alone?gracePeriodSeconds=0`);
    api.api.close();
  }, 120_000);
});
