import { request } from "node:https";
import { connectionOf, type Connection } from "./controller-connection";

/** As much of an object as the suites look at. */
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

/** One change, as a watch of the API server tells it. */
export interface Change<T extends Observed = Observed> {
  /** Order of all changes of the cluster. */
  readonly revision: number;
  /** When it was seen, milliseconds of this machine's clock. */
  readonly at: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
}

/**
 * What a test sees of a collection, on a connection of its own. A watch that ends is resumed where it was, so that no
 * change is left out unless `lost` says so.
 */
export class Watch<T extends Observed> {
  /** As of now, by namespace/name or name. */
  readonly objects = new Map<string, T>();
  /** Every change since the beginning, objects that were there first as ADDED. */
  readonly changes: Change<T>[] = [];
  /** True if changes were lost between two watches. */
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
      /** False where only `onChange` matters: `changes` then stays empty. */
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

  /** Forgets the changes so far: the objects of now count as there from the beginning. */
  forget(): void {
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
    for (const object of items) this.#take("ADDED", object);
    for (const [key, object] of this.objects) if (!names.has(key)) this.#take("DELETED", object);
  }

  async #follow(): Promise<void> {
    while (!this.#ended) {
      try {
        await this.#get(
          `watch=1&allowWatchBookmarks=true&resourceVersion=${this.#revision}&timeoutSeconds=3600`,
          (line) => this.#line(line),
        );
      } catch (error) {
        if (this.#ended) return;
        if (error instanceof Gone) {
          this.lost = true;
          await this.#list().catch(() => undefined);
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  #line(line: string): void {
    const { type, object } = JSON.parse(line) as { type: Change["type"] | "BOOKMARK" | "ERROR"; object: T };
    if (type === "ERROR") throw new Gone(JSON.stringify(object));
    this.#revision = object.metadata.resourceVersion;
    if (type !== "BOOKMARK") this.#take(type, object);
  }

  #take(type: Change["type"], object: T): void {
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

  /** Reads an answer; a watch line by line. @returns the text that is no whole line */
  #get(query: string, onLine: (line: string) => void): Promise<string> {
    const { origin, agent } = this.#connection;
    const more = this.options.query === undefined ? "" : `&${this.options.query}`;
    const watching = query.startsWith("watch");
    return new Promise((resolve, reject) => {
      const call = request(`${origin}${this.path}?${query}${more}`, { agent }, (answer) => {
        if (answer.statusCode === 410) reject(new Gone("410"));
        else if (answer.statusCode !== 200) reject(new Error(`${this.path}: ${answer.statusCode}`));
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => {
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
        answer.on("end", () => resolve(Buffer.concat(parts).toString()));
        answer.on("error", reject);
      });
      call.on("error", reject);
      this.#stop = () => call.destroy();
      call.end();
    });
  }
}

class Gone extends Error {}

/** namespace/name, or the name. */
export function keyOf({ metadata: { namespace, name } }: Observed): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
