import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { entries, tarOf } from "../../support/checkpoint-archive";
import { CERTIFICATE, KEY } from "../../support/kubelet-certificate";

/** A kubelet at 127.0.0.1 that takes a second for a checkpoint, and completes it even if the client disconnects. */
export class FakeKubelet {
  /** Containers of the requests. */
  readonly requests: string[] = [];
  /** Maximum number of concurrent checkpoints of one container. */
  maxConcurrent = 0;
  /** UID of its pod. */
  podUID = "";
  private readonly running = new Map<string, number>();
  private readonly server: Server;

  constructor(readonly archives: string) {
    mkdirSync(archives, { recursive: true });
    this.server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
      const [, , namespace = "", pod = "", container = ""] =
        (request.url ?? "").split("?")[0]?.split("/") ?? [];
      this.checkpoint(namespace, pod, container).then(
        (file) => response.end(JSON.stringify({ items: [file] })),
        () => response.destroy(),
      );
    });
  }

  readonly ca = CERTIFICATE;

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async checkpoint(namespace: string, pod: string, container: string): Promise<string> {
    const key = `${pod}/${container}`;
    this.requests.push(key);
    const now = (this.running.get(key) ?? 0) + 1;
    this.running.set(key, now);
    this.maxConcurrent = Math.max(this.maxConcurrent, now);
    const at = new Date().toISOString().replace(/\.\d+/, "");
    const file = join(this.archives, `checkpoint-${pod}_${namespace}-${container}-${at}.tar`);
    await pause(1000);
    const annotations = {
      "io.kubernetes.cri.container-name": container,
      "io.kubernetes.cri.sandbox-name": pod,
      "io.kubernetes.cri.sandbox-namespace": namespace,
      "io.kubernetes.cri.sandbox-uid": this.podUID,
    };
    writeFileSync(file, await tarOf(entries({ spec: { annotations } })));
    this.running.set(key, now - 1);
    return file;
  }
}
