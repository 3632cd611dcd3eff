import type { AwsCredentials } from "./sigv4";

/** Where the credentials of a pod are, as EKS Pod Identity puts it into the pod's environment and files. */
export interface PodIdentity {
  /** AWS_CONTAINER_CREDENTIALS_FULL_URI */
  readonly uri: string;
  /** What is in the file AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. */
  readonly token: string;
}

/** Sends a request; returns the answer's status and text. */
export type Fetch = (request: {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}) => Promise<{ readonly status: number; readonly text: string }>;

/** The agent of EKS Pod Identity, of ECS, and this machine: the only hosts that AWS' own clients ask by plain HTTP. */
const PLAIN = ["169.254.170.23", "[fd00:ec2::23]", "169.254.170.2", "localhost", "127.0.0.1", "[::1]"];

/** Asks the agent on the node. @throws Error, without what was answered: it may hold keys */
export async function podCredentials({ uri, token }: PodIdentity, fetch: Fetch): Promise<AwsCredentials> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const plain = url?.protocol === "http:" && PLAIN.includes(url.hostname);
  if (!url || (url.protocol !== "https:" && !plain))
    throw new Error("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an agent of this node");
  const { status, text } = await fetch({ method: "GET", url, headers: { authorization: token.trim() } });
  if (status !== 200) throw new Error(`${url.host} gives no credentials: HTTP ${status}`);
  const { AccessKeyId, SecretAccessKey, Token } = fields(text);
  if (AccessKeyId === undefined || SecretAccessKey === undefined)
    throw new Error(`${url.host} gives no credentials: its answer holds none`);
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
}

/** The fields of a JSON object that are text. */
export function fields(text: string): Readonly<Partial<Record<string, string>>> {
  try {
    const all = Object.entries(JSON.parse(text) as object);
    return Object.fromEntries(all.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}
