import { spawnSync } from "node:child_process";
import { createReadStream, statSync, unlinkSync } from "node:fs";
import { request } from "node:http";
import { pipeline } from "node:stream/promises";
import { readArchive } from "../../agent/archive";
import { connectByKubeconfig, type Transport } from "../../kube";
import type { CheckpointObject, Engine } from "../../testbed/node/engine";
import { NODE, REGISTRY } from "../../testbed/node/testbed";

export interface Measured {
  /** From the request to the image in the registry. */
  readonly seconds: number;
  /** Freeze time as reported by CRIU; the standstill of the container is longer. */
  readonly frozenMs: number;
  readonly bytes: number;
}

const seconds = (since: number) => (performance.now() - since) / 1000;
let connected: Promise<Transport> | undefined;
const client = (engine: Engine) =>
  (connected ??= connectByKubeconfig({ file: `${engine.folder}/kubeconfig` }));

/**
 * Measures the minimum: requests a checkpoint from the kubelet and uploads the archive to the registry, without time for its
 * digest. Builds no image and writes no object.
 */
export class Floor {
  constructor(
    private readonly engine: Engine,
    private readonly pod: string,
  ) {}

  async measure(): Promise<Measured & { readonly dumpSeconds: number }> {
    const api = await client(this.engine);
    const startMs = performance.now();
    const path = `/api/v1/nodes/${NODE.name}/proxy/checkpoint/default/${this.pod}/count`;
    const { items } = (await api.send("POST", path, undefined, { timeoutMs: 300_000 })) as {
      items: string[];
    };
    const dumpSeconds = seconds(startMs);
    const file = (items[0] ?? "").replace("/var/lib/kubelet", `${this.engine.folder}/node/kubelet`);
    const sum = spawnSync("sha256sum", [file], { encoding: "utf8" }).stdout.split(" ", 1)[0] ?? "";
    const bytes = statSync(file).size;
    const push = performance.now();
    await upload(file, bytes, sum);
    const total = dumpSeconds + seconds(push);
    const { frozenMs = Number.NaN } = await readArchive(file);
    unlinkSync(file);
    return { seconds: total, dumpSeconds, frozenMs, bytes };
  }
}

async function upload(file: string, bytes: number, sum: string): Promise<void> {
  const location = await send("POST", `http://${REGISTRY}/v2/floor/blobs/uploads/`);
  const url = new URL(location, `http://${REGISTRY}`);
  url.searchParams.set("digest", `sha256:${sum}`);
  await send("PUT", url.href, file, bytes);
}

/** Sends a request and returns the header Location. */
function send(method: string, url: string, file?: string, bytes = 0): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": bytes, "content-type": "application/octet-stream" };
    const sent = request(url, { method, headers }, (response) => {
      response.resume().on("end", () => {
        const { statusCode = 0 } = response;
        if (statusCode >= 300) reject(new Error(`${method} ${url}: ${statusCode}`));
        else resolve(response.headers.location ?? "");
      });
    }).on("error", reject);
    if (file === undefined) sent.end();
    else pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), sent).catch(reject);
  });
}

/** Measures a Checkpoint object, from its creation to the condition Ready. */
export async function byEngine(engine: Engine, pod: string, name: string): Promise<Measured> {
  const api = await client(engine);
  const path = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/checkpoints";
  const startMs = performance.now();
  const content = {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "Checkpoint",
    metadata: { name },
    spec: { podRef: { name: pod } },
  };
  const created = (await api.send("POST", path, { type: "application/json", content })) as {
    metadata: { resourceVersion: string };
  };
  const watch = api.watch(path, {
    query: { fieldSelector: `metadata.name=${name}`, resourceVersion: created.metadata.resourceVersion },
    signal: AbortSignal.timeout(300_000),
    idleTimeoutMs: 300_000,
  });
  for await (const event of watch) {
    const { status } = event.object as unknown as CheckpointObject;
    const outcome = status?.conditions?.find(
      (one) => ["Ready", "Failed"].includes(one.type) && one.status === "True",
    );
    if (!outcome) continue;
    const total = seconds(startMs);
    const [container] = status.containers ?? [];
    if (outcome.type === "Failed") throw new Error(`${name}: ${outcome.message}`);
    return {
      seconds: total,
      frozenMs: container?.frozenMilliseconds ?? Number.NaN,
      bytes: container?.sizeBytes ?? Number.NaN,
    };
  }
  throw new Error(`${name} has no outcome`);
}
