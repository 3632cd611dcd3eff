import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { eventually, type ApiServer } from "../../../testbed/cluster/apiserver";
import type { ControllerProcess } from "../../../testbed/cluster/process";

/** Requests a token of a ServiceAccount, which is valid for an hour. @throws Error with the response if the API server rejects it */
export async function tokenOf(api: ApiServer, namespace: string, account: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const { status, body } = await api.request<{ status?: { token?: string } }>("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  });
  if (!body.status?.token) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
  return body.status.token;
}

/**
 * Writes a kubeconfig with a token of a ServiceAccount.
 * @param from kubeconfig of the same cluster
 * @returns its path, in the folder
 */
export async function kubeconfigOf(
  api: ApiServer,
  { namespace, account, from, folder }: Record<"namespace" | "account" | "from" | "folder", string>,
): Promise<string> {
  const token = await tokenOf(api, namespace, account);
  const given = parse(readFileSync(from, "utf8")) as { users: { user: object }[] };
  const users = given.users.map((user) => ({ ...user, user: { token } }));
  const file = join(folder, "kubeconfig");
  writeFileSync(file, JSON.stringify({ ...given, users }), { mode: 0o600 });
  return file;
}

/** Waits until one of the replicas holds the Lease. @returns that one */
export async function leaderOf(
  api: ApiServer,
  { namespace, lease }: { readonly namespace: string; readonly lease: string },
  replicas: () => readonly ControllerProcess[],
): Promise<ControllerProcess> {
  let found: ControllerProcess | undefined;
  const logs = replicas().map(({ log }) => log);
  await eventually(60, `a replica leads (${logs.join(", ")})`, async () => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${lease}`;
    const { body } = await api.request<{ spec?: { holderIdentity?: string } }>("GET", path);
    const holder = body.spec?.holderIdentity ?? "";
    found = replicas().find(({ exit, options }) => !exit && holder.startsWith(`${options.replica}_`));
    return found !== undefined;
  });
  if (!found) throw new Error("no replica leads");
  return found;
}
