import { ApiError, type Body, type Method, type SendOptions } from "../../../../../kube/client";
import type { VirtualTime } from "../../../../support/virtual-time";

interface LeaseObject {
  metadata: { name: string; resourceVersion?: string };
  spec: Record<string, unknown>;
}

/** Simulates the API server of one Lease, and a network that loses, delays and repeats requests and responses until a time. */
export class LossyLease {
  private lease?: LeaseObject;
  private version = 0;
  /** Share of requests and responses that are lost or delayed. */
  loss = 0.1;

  constructor(
    private readonly time: VirtualTime,
    private readonly random: () => number,
    private readonly faultsEndMs: number,
  ) {}

  /** Returns a replica's client, whose times are shifted by `clockOffMs`. */
  client(clockOffMs: number) {
    return {
      send: (method: Method, _path: string, body?: Body, options: SendOptions = {}) =>
        new Promise<unknown>((settle, fail) => {
          const { timeoutMs = 30_000, signal } = options;
          const cut = () => reject(new Error("aborted"));
          const timer = setTimeout(() => reject(new Error("no response")), timeoutMs);
          const end = () => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", cut);
          };
          const resolve = (response: unknown) => (end(), settle(response));
          const reject = (error: Error) => (end(), fail(error));
          signal?.addEventListener("abort", cut);
          const lease = body && shifted(structuredClone(body.content) as LeaseObject, clockOffMs);
          const arrive = () => {
            const response = this.respond(method, lease);
            if (this.fault(this.loss)) return;
            const receive = () => (response instanceof ApiError ? reject(response) : resolve(response));
            this.time.as(sender, () => this.time.after(this.delay(), receive));
          };
          if (this.fault(this.loss)) return;
          // A paused replica delays only the handling of the response.
          const sender = this.time.owner;
          this.time.as(undefined, () => {
            this.time.after(this.delay(), arrive);
            if (this.fault(0.1)) this.time.after(this.delay(), () => this.respond(method, lease));
          });
        }),
    };
  }

  private fault(share: number): boolean {
    return this.time.nowMs < this.faultsEndMs && this.random() < share;
  }

  private delay(): number {
    const left = this.faultsEndMs - this.time.nowMs;
    return left > 0 && this.fault(this.loss) ? Math.min(left, this.random() * 12_000) : this.random() * 50;
  }

  private respond(method: Method, given?: LeaseObject): unknown {
    if (method !== "POST" && !this.lease) return new ApiError(404, "not found");
    if (method === "GET") return structuredClone(this.lease);
    if (method === "POST" && this.lease) return new ApiError(409, "already exists");
    if (method === "PUT" && given?.metadata.resourceVersion !== this.lease?.metadata.resourceVersion)
      return new ApiError(409, "conflict");
    this.lease = structuredClone(given) as LeaseObject;
    this.lease.metadata.resourceVersion = `${++this.version}`;
    return structuredClone(this.lease);
  }
}

function shifted(lease: LeaseObject, byMs: number): LeaseObject {
  const renewTime = new Date(Date.parse(lease.spec["renewTime"] as string) + byMs).toISOString();
  return { ...lease, spec: { ...lease.spec, renewTime } };
}
