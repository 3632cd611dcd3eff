/** The control plane of a test bed: processes, whose ids are in its directory. */
import { spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, type ApiServer } from "../../../../testbed/cluster/apiserver";

const MISSING =
  "CEDANA_INTEGRATION_TESTBED_DIR is not set: it must name the directory of the test bed (`up --dir`) of CEDANA_INTEGRATION_KUBECONFIG. The tests that stop the API server are skipped.";

/** Returns the test bed's directory, or undefined with a warning if it is not set. */
export function testbedFolder(): string | undefined {
  const folder = process.env["CEDANA_INTEGRATION_TESTBED_DIR"];
  if (folder) return folder;
  console.warn(MISSING);
  return undefined;
}

export class Testbed {
  constructor(
    private readonly folder: string,
    private readonly api: ApiServer,
  ) {}

  /** Kills the API server, and starts it again after a time. */
  async restartApiServer(downMs: number): Promise<void> {
    const [command = "", ...args] = this.#command;
    process.kill(this.#pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, downMs));
    const log = openSync(join(this.folder, "log/kube-apiserver.log"), "a");
    const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log] });
    child.unref();
    // "pid starttime", by which the test bed identifies its processes.
    const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    writeFileSync(this.#record, `${child.pid} ${started}\n`);
    await eventually(60, "the API server responds again", async () => {
      const response = await this.api.request("GET", "/api/v1/namespaces/default").catch(() => undefined);
      return response?.status === 200;
    });
  }

  /** Compacts etcd: a watch from an older revision gets 410. */
  async compact(): Promise<void> {
    const etcd = this.#etcd;
    const { header } = await post<{ header: { revision: string } }>(`${etcd}/v3/maintenance/status`, {});
    await post(`${etcd}/v3/kv/compaction`, { revision: header.revision, physical: true });
  }

  /** Returns the objects below a prefix as etcd stores them. Only for kinds that are stored as JSON, as custom resources. */
  async stored(prefix: string): Promise<readonly { readonly apiVersion: string }[]> {
    const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
    const { kvs = [] } = await post<{ kvs?: { value: string }[] }>(`${this.#etcd}/v3/kv/range`, {
      key: Buffer.from(prefix).toString("base64"),
      range_end: Buffer.from(end).toString("base64"),
    });
    return kvs.map(({ value }) => JSON.parse(Buffer.from(value, "base64").toString()));
  }

  get #etcd(): string {
    return this.#command.find((_, index, all) => all[index - 1] === "--etcd-servers") ?? "";
  }

  get #record(): string {
    return join(this.folder, "run/kube-apiserver.pid");
  }

  get #pid(): number {
    return Number(readFileSync(this.#record, "utf8").split(" ")[0]);
  }

  get #command(): string[] {
    return readFileSync(`/proc/${this.#pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  }
}

/** Sends a request to etcd's JSON API. */
async function post<T>(url: string, body: object): Promise<T> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
