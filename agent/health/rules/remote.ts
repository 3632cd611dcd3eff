import { failed, ok, type Finding } from "../finding";

/** @param answer HTTP status, or why there was none */
export function checkKubelet(address: string, answer: number | { readonly error: string }): Finding {
  // Without credentials it refuses; that it does so says that it is there, with a certificate of this cluster.
  if (typeof answer === "number") return ok("kubelet", `the kubelet answers at ${address}`);
  return failed(
    "kubelet",
    `the kubelet does not answer at ${address} with a certificate of this cluster (${answer.error}). Is its port open for pods of this node, and its certificate signed by the cluster's CA?`,
  );
}

/** What came of asking a registry. Texts have no secret. */
export type RegistryAnswer =
  | { readonly kind: "ok" }
  /** No credentials could be had at all. */
  | { readonly kind: "noCredentials"; readonly error: string }
  | { readonly kind: "refused"; readonly status: number; readonly error: string }
  | { readonly kind: "unreachable"; readonly error: string };

/** @param shown what it is shown: `the credentials in /etc/...`, ... */
export function checkRegistry(repository: string, shown: string, answer: RegistryAnswer): Finding {
  const { kind } = answer;
  if (kind === "ok") return ok("registry", `${repository} answers`);
  return failed("registry", wordsFor(repository, shown, answer));
}

function wordsFor(
  repository: string,
  shown: string,
  answer: Exclude<RegistryAnswer, { kind: "ok" }>,
): string {
  if (answer.kind === "noCredentials") return `there are no credentials for ${repository}: ${answer.error}`;
  if (answer.kind === "unreachable")
    return `${repository} does not answer (${answer.error}). Is there a route and a name for it on this node?`;
  const { status, error } = answer;
  const said = error === "" ? String(status) : `${status} ${error}`;
  if (status === 401)
    return `${repository} does not accept ${shown} (${said}). Give credentials that it knows`;
  if (status === 403)
    return `${repository} forbids with ${shown} (${said}). Allow the account to pull and push there`;
  return `${repository} refuses (${said})`;
}
