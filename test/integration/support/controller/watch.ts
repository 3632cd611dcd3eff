import { request } from "node:https";
import { connectionOf, type Connection } from "./connection";

/** Fields of an object that the suites read. */
export interface Observed {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly {
      readonly manager: string;
      readonly subresource?: string;
      readonly fieldsV1: Record<string, unknown>;
    }[];
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** One event of a watch. */
export interface Change<T extends Observed = Observed> {
  /** Order of all changes of the cluster. */
  readonly revision: number;
  /** Time of arrival, in milliseconds of this machine's clock. */
  readonly at: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
}

/**
 * Follows a collection on a separate connection and keeps all changes. A watch that ends is resumed at its last revision,
 * so no change is missing unless `lost` is true.
 */
export class Watch<T extends Observed> {
  /** Current objects, by namespace/name or name. */
  readonly objects = new Map<string, T>();
  /** All changes since the start. Objects that existed before are ADDED. */
  readonly changes: Change<T>[] = [];
  /** True if changes between two watches are missing. */
  lost = false;
  readonly #connection: Connection;
  #revision = "";
  #ended = false;
  #stop: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    kubeconfig: string,
    private readonly path: string,
    private readonly options: {
      readonly query?: string;
      /** If false, `changes` stays empty and only `onChange` is called. */
      readonly keep?: boolean;
      readonly onChange?: (change: Change<T>) => void;
    } = {},
  ) {
    this.#connection = connectionOf(kubeconfig);
  }

  async start(): Promise<this> {
    await this.#list();
    this.#running = this.#follow();
    return this;
  }

  /** Discards the changes so far: the current objects become the first ADDED ones. */
  discardHistory(): void {
    const at = Date.now();
    const changes = [...this.objects.values()].map((object): Change<T> => {
      return { revision: Number(object.metadata.resourceVersion), at, type: "ADDED", object };
    });
    this.changes.splice(0, Infinity, ...changes);
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#stop();
    await this.#running;
    this.#connection.agent.destroy();
  }

  async #list(): Promise<void> {
    const text = await this.#get("limit=0", () => undefined);
    const { items, metadata } = JSON.parse(text) as { items: T[]; metadata: { resourceVersion: string } };
    this.#revision = metadata.resourceVersion;
    const names = new Set(items.map(keyOf));
    for (const object of items) this.#apply("ADDED", object);
    for (const [key, object] of this.objects) if (!names.has(key)) this.#apply("DELETED", object);
  }

  async #follow(): Promise<void> {
    while (!this.#ended) {
      try {
        await this.#get(
          `watch=1&allowWatchBookmarks=true&resourceVersion=${this.#revision}&timeoutSeconds=3600`,
          (line) => this.#readLine(line),
        );
      } catch (error) {
        if (this.#ended) return;
        if (error instanceof Expired) {
          this.lost = true;
          await this.#list().catch(() => undefined);
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  #readLine(line: string): void {
    const { type, object } = JSON.parse(line) as { type: Change["type"] | "BOOKMARK" | "ERROR"; object: T };
    if (type === "ERROR") throw new Expired(JSON.stringify(object));
    this.#revision = object.metadata.resourceVersion;
    if (type !== "BOOKMARK") this.#apply(type, object);
  }

  #apply(type: Change["type"], object: T): void {
    if (type === "DELETED") this.objects.delete(keyOf(object));
    else {
      const known = this.objects.get(keyOf(object));
      if (known?.metadata.resourceVersion === object.metadata.resourceVersion) return;
      this.objects.set(keyOf(object), object);
    }
    const change = { revision: Number(object.metadata.resourceVersion), at: Date.now(), type, object };
    if (this.options.keep !== false) this.changes.push(change);
    this.options.onChange?.(change);
  }

  /** Reads a response; of a watch, line by line. @returns the text after the last whole line */
  #get(query: string, onLine: (line: string) => void): Promise<string> {
    const { origin, agent } = this.#connection;
    const more = this.options.query === undefined ? "" : `&${this.options.query}`;
    const watching = query.startsWith("watch");
    return new Promise((resolve, reject) => {
      const call = request(`${origin}${this.path}?${query}${more}`, { agent }, (response) => {
        if (response.statusCode === 410) reject(new Expired("410"));
        else if (response.statusCode !== 200) reject(new Error(`${this.path}: ${response.statusCode}`));
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => {
          parts.push(part);
          if (!watching || !part.includes(10)) return;
          const bytes = Buffer.concat(parts.splice(0));
          const end = bytes.lastIndexOf(10);
          parts.push(bytes.subarray(end + 1));
          try {
            for (const line of bytes.toString("utf8", 0, end).split("\n")) onLine(line);
          } catch (error) {
            call.destroy(error as Error);
          }
        });
        response.on("end", () => resolve(Buffer.concat(parts).toString()));
        response.on("error", reject);
      });
      call.on("error", reject);
      this.#stop = () => call.destroy();
      call.end();
    });
  }
}

class Expired extends Error {}

/** Returns namespace/name, or the name of a cluster-wide object. */
export function keyOf({ metadata: { namespace, name } }: Observed): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
