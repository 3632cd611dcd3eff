import type { SecretReference } from "../../../api";
import { BoundedMap, kindOf, textsAt, type Client, type Json } from "../../../kube";
import { keysOf } from "./signature";

/** How long keys are used before their Secret is read again, also if it cannot be used: requests must not cause more reads. */
const KEEP_MS = 30_000;
/** Secrets whose keys are kept. */
const MAX_KEPT = 1000;
/** The sender of a request waits. */
const READ_MS = 3000;

/** The data of a Secret. The keys of one policy are taken from it, and nothing else is kept. */
const SECRET = kindOf({ apiVersion: "v1", kind: "Secret", plural: "secrets" }, (raw: Json) =>
  textsAt(raw, "data"),
);

export interface KeysOptions {
  /** Reads on every replica. */
  readonly client: Pick<Client, "get">;
  /** Names of the Secrets that may be read. */
  readonly secrets: readonly string[];
  /** Setting of the install that lists them. */
  readonly setting: string;
}

interface Kept {
  readonly untilMs: number;
  readonly keys: Promise<readonly Buffer[]>;
}

/** Reads the keys of signatures from Secrets that the install lists. */
export class Keys {
  private readonly kept = new BoundedMap<Kept>(MAX_KEPT);

  constructor(private readonly options: KeysOptions) {}

  /**
   * Returns the keys of a Secret.
   * @throws Error if the Secret is not listed, cannot be read or has no valid key. The message has no value of it
   */
  of(namespace: string, { name, key }: Required<SecretReference>, nowMs: number): Promise<readonly Buffer[]> {
    const id = `${namespace}/${name}/${key}`;
    const kept = this.kept.get(id);
    if (kept && kept.untilMs > nowMs) return kept.keys;
    const keys = this.read(namespace, name, key);
    // The error is thrown to each caller.
    keys.catch(() => undefined);
    return this.kept.set(id, { untilMs: nowMs + KEEP_MS, keys }).keys;
  }

  private async read(namespace: string, name: string, key: string): Promise<readonly Buffer[]> {
    const { client, secrets, setting } = this.options;
    const where = `Secret ${namespace}/${name}`;
    if (!secrets.includes(name))
      throw new Error(`${where}: ${setting} does not list ${name}, but ${secrets.join(", ")}`);
    const data = await client.get(SECRET, { namespace, name }, { timeoutMs: READ_MS });
    if (data === undefined) throw new Error(`${where} does not exist`);
    const value = Object.hasOwn(data, key) ? data[key] : undefined;
    if (value === undefined) throw new Error(`${where} has no key ${key}`);
    try {
      return keysOf(Buffer.from(value, "base64").toString("utf8"));
    } catch (error) {
      throw new Error(`${where}, key ${key}: ${(error as Error).message}`, { cause: error });
    }
  }
}
