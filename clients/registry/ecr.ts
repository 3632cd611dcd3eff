/** Credentials for Amazon ECR, from those of the pod. */
import { readFile } from "node:fs/promises";
import { sign } from "aws4";
import { exchange } from "../../http";
import type { Credentials } from "./docker-config";
import { RegistryError } from "./errors";

/** Where EKS Pod Identity keeps the credentials of a pod. */
export interface PodIdentity {
  readonly uri: string;
  readonly token: string;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface AwsRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends a request; returns the response's status and text. */
export type Fetch = (request: AwsRequest) => Promise<{ readonly status: number; readonly text: string }>;

const HOST =
  /^\d{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))$/;

/** Agents of EKS Pod Identity and of ECS, and this machine: the only hosts that AWS' own clients allow with plain HTTP. */
const PLAIN_HOSTS = ["169.254.170.23", "[fd00:ec2::23]", "169.254.170.2", "localhost", "127.0.0.1", "[::1]"];

/** AWS and the agent on the node respond quickly or not at all. */
const TIMEOUT_MS = 10_000;

/** Returns the region of an ECR registry; undefined for any other registry. */
export function ecrRegion(registry: string): string | undefined {
  return HOST.exec(registry)?.[2];
}

/** Reads the identity that EKS Pod Identity gives this pod by environment and file; undefined if there is none. */
export async function podIdentity(): Promise<PodIdentity | undefined> {
  const uri = process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const file = process.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  if (uri === undefined || file === undefined) return undefined;
  return { uri, token: await readFile(file, "utf8") };
}

/**
 * Requests a password for an ECR registry, valid for 12 hours: GetAuthorizationToken, signed with the pod's credentials.
 *
 * @throws Error without secrets
 */
export async function ecrCredentials(
  registry: string,
  identity: PodIdentity,
  fetch: Fetch = fetchText,
  now = new Date(),
): Promise<Credentials> {
  const { status, text, host } = await callEcr(
    registry,
    "GetAuthorizationToken",
    {},
    { identity, fetch, now },
  );
  if (status !== 200) {
    const { __type = "", message = "" } = textFields(text);
    throw new Error(`${host} issues no password for ${registry}: ${status} ${__type} ${message}`.trim());
  }
  return passwordIn(text, host);
}

/**
 * Deletes an image of an ECR repository with all its tags: BatchDeleteImage, signed with the pod's credentials. Needs
 * `ecr:BatchDeleteImage`.
 *
 * @param digest `sha256:...`
 * @returns false if there was none
 * @throws RegistryError, without secrets
 */
export async function deleteEcrImage(
  {
    registry,
    repository,
    digest,
  }: { readonly registry: string; readonly repository: string; readonly digest: string },
  identity: PodIdentity,
  fetch: Fetch = fetchText,
  now = new Date(),
): Promise<boolean> {
  const failed = (reason: string, details: { status?: number; code?: string; cause?: unknown } = {}) =>
    new RegistryError("deletion of an image", `${registry}/${repository}`, reason, details);
  const content = {
    registryId: registry.slice(0, ACCOUNT_LENGTH),
    repositoryName: repository,
    imageIds: [{ imageDigest: digest }],
  };
  const response = await callEcr(registry, "BatchDeleteImage", content, { identity, fetch, now }).catch(
    (error: unknown) => {
      throw failed(error instanceof Error ? error.message : String(error), { cause: error });
    },
  );
  const { status, text } = response;
  if (status !== 200) {
    const { __type, message = "" } = textFields(text);
    throw failed(message, { status, ...(__type === undefined ? {} : { code: __type }) });
  }
  const { imageIds, failures } = listsIn(text);
  const [failure] = failures;
  if (failure === undefined && imageIds.length > 0) return true;
  if (failure?.failureCode === "ImageNotFound") return false;
  const { failureCode, failureReason = "the response names neither a deleted image nor a failure" } =
    failure ?? {};
  throw failed(failureReason, { status, ...(failureCode === undefined ? {} : { code: failureCode }) });
}

/** Digits of an account's ID, with which the host of its registry begins. */
const ACCOUNT_LENGTH = 12;

interface Call {
  readonly identity: PodIdentity;
  readonly fetch: Fetch;
  readonly now: Date;
}

/** Sends a request to the API of ECR in the region of the registry. @throws Error without secrets */
async function callEcr(registry: string, operation: string, content: object, { identity, fetch, now }: Call) {
  const [, fips, region = "", domain = ""] = HOST.exec(registry) ?? [];
  if (region === "") throw new Error(`${registry} is not an ECR registry`);
  const china = domain.endsWith(".cn") ? ".cn" : "";
  const endpoint = fips ? `ecr-fips.${region}` : `api.ecr.${region}`;
  const url = new URL(`https://${endpoint}.amazonaws.com${china}/`);
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `AmazonEC2ContainerRegistry_V20150921.${operation}`,
  };
  const request = { method: "POST", url, headers, body: JSON.stringify(content) } as const;
  const credentials = await podCredentials(identity, fetch);
  const signed = signedHeaders(request, credentials, { region, service: "ecr" }, now);
  return { ...(await fetch({ ...request, headers: signed })), host: url.host };
}

interface ImageFailure {
  readonly failureCode?: string;
  readonly failureReason?: string;
}

/** Returns the lists of a response to BatchDeleteImage. */
function listsIn(text: string): { imageIds: readonly unknown[]; failures: readonly ImageFailure[] } {
  try {
    const { imageIds, failures } = JSON.parse(text) as { imageIds?: unknown; failures?: unknown };
    return {
      imageIds: Array.isArray(imageIds) ? imageIds : [],
      failures: Array.isArray(failures) ? (failures as ImageFailure[]) : [],
    };
  } catch {
    return { imageIds: [], failures: [] };
  }
}

/** Returns the headers of a request with AWS' Signature Version 4, names in lower case. */
export function signedHeaders(
  { method, url, headers, body }: AwsRequest,
  credentials: AwsCredentials,
  { region, service }: { readonly region: string; readonly service: string },
  now: Date,
): Record<string, string> {
  const date = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const request = {
    method,
    host: url.host,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, "x-amz-date": date },
    body,
    region,
    service,
  };
  const { headers: signed = {} } = sign(request, credentials);
  return Object.fromEntries(
    Object.entries(signed).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

/** Requests the pod's credentials from the agent on the node. @throws Error without the response: it may hold keys */
async function podCredentials({ uri, token }: PodIdentity, fetch: Fetch): Promise<AwsCredentials> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const plain = url?.protocol === "http:" && PLAIN_HOSTS.includes(url.hostname);
  if (!url || (url.protocol !== "https:" && !plain))
    throw new Error("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an agent of this node");
  const { status, text } = await fetch({ method: "GET", url, headers: { authorization: token.trim() } });
  if (status !== 200) throw new Error(`${url.host} issues no credentials: HTTP ${status}`);
  const { AccessKeyId, SecretAccessKey, Token } = textFields(text);
  if (AccessKeyId === undefined || SecretAccessKey === undefined)
    throw new Error(`the response of ${url.host} has no credentials`);
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
}

async function fetchText({ method, url, headers, body }: AwsRequest) {
  const response = await exchange({ method, url, headers, body }, { timeoutMs: TIMEOUT_MS });
  return { status: response.status, text: response.body.toString("utf8") };
}

function passwordIn(text: string, host: string): Credentials {
  let token: unknown;
  try {
    const response = JSON.parse(text) as { authorizationData?: { authorizationToken?: unknown }[] };
    token = response.authorizationData?.[0]?.authorizationToken;
  } catch {
    // Reported below, without the text: it may hold the password.
  }
  const [username, password] = Buffer.from(typeof token === "string" ? token : "", "base64")
    .toString("utf8")
    .split(/:(.*)/s);
  if (!username || !password) throw new Error(`the response of ${host} has no password`);
  return { username, password };
}

/** Returns the fields of a JSON object whose values are text. */
function textFields(text: string): Readonly<Partial<Record<string, string>>> {
  try {
    const all = Object.entries(JSON.parse(text) as object);
    return Object.fromEntries(all.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}
