/** Credentials for Amazon ECR, from those of the pod. */
import type { Credentials } from "../docker-config";
import { fetchText } from "./fetch";
import { fields, podCredentials, type Fetch, type PodIdentity } from "./pod-identity";
import { signed } from "./sigv4";

export { identity } from "./environment";

export type { Fetch, PodIdentity } from "./pod-identity";

const HOST =
  /^\d{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))$/;

/** The region of a registry of ECR; undefined for any other registry. */
export function ecrRegion(registry: string): string | undefined {
  return HOST.exec(registry)?.[2];
}

/**
 * A password for a registry of ECR, good for 12 hours: GetAuthorizationToken, signed with the credentials of the pod.
 *
 * @throws Error, in words and without secrets
 */
export async function ecrCredentials(
  registry: string,
  identity: PodIdentity,
  fetch: Fetch = fetchText,
  now = new Date(),
): Promise<Credentials> {
  const [, fips, region = "", domain = ""] = HOST.exec(registry) ?? [];
  if (region === "") throw new Error(`${registry} is no registry of ECR`);
  const china = domain.endsWith(".cn") ? ".cn" : "";
  const endpoint = fips ? `ecr-fips.${region}` : `api.ecr.${region}`;
  const url = new URL(`https://${endpoint}.amazonaws.com${china}/`);
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
  };
  const request = { method: "POST", url, headers, body: "{}" } as const;
  const keys = await podCredentials(identity, fetch);
  const { host: _host, ...sent } = signed(request, keys, { region, service: "ecr" }, now);
  const { status, text } = await fetch({ ...request, headers: sent });
  if (status !== 200) {
    const { __type = "", message = "" } = fields(text);
    throw new Error(`${url.host} gives no password for ${registry}: ${status} ${__type} ${message}`.trim());
  }
  return passwordIn(text, url.host);
}

function passwordIn(text: string, host: string): Credentials {
  let token: unknown;
  try {
    const answer = JSON.parse(text) as { authorizationData?: { authorizationToken?: unknown }[] };
    token = answer.authorizationData?.[0]?.authorizationToken;
  } catch {
    // Said below; the answer may hold the password.
  }
  const [username, password] = Buffer.from(typeof token === "string" ? token : "", "base64")
    .toString("utf8")
    .split(/:(.*)/s);
  if (!username || !password) throw new Error(`${host} gives no password: its answer holds none`);
  return { username, password };
}
