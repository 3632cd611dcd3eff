/** The programs of a test bed's control plane: plain processes, whose numbers its folder names. */
import { spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, type ApiServer } from "./apiserver";

const MISSING =
  "CEDANA_INTEGRATION_TESTBED_DIR is not set: it names the folder of the test bed (`up --dir`) that CEDANA_INTEGRATION_KUBECONFIG leads to. Without it the tests that stop the API server are left out.";

/** The test bed's folder; undefined, with a sentence on the console, where there is none. */
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

  /** Ends the API server without warning, and starts it again after a while. */
  async restartApiServer(downMs: number): Promise<void> {
    const [command = "", ...args] = this.#command;
    process.kill(this.#pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, downMs));
    const log = openSync(join(this.folder, "log/kube-apiserver.log"), "a");
    const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log] });
    child.unref();
    // "pid starttime", by which the test bed knows its own processes.
    const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    writeFileSync(this.#record, `${child.pid} ${started}\n`);
    await eventually(60, "the API server is back", async () => {
      const answer = await this.api.request("GET", "/api/v1/namespaces/default").catch(() => undefined);
      return answer?.status === 200;
    });
  }

  /** Makes etcd forget all but the present: who resumes from before is told 410. */
  async compact(): Promise<void> {
    const etcd = this.#command.find((_, index, all) => all[index - 1] === "--etcd-servers") ?? "";
    const { header } = await post<{ header: { revision: string } }>(`${etcd}/v3/maintenance/status`, {});
    await post(`${etcd}/v3/kv/compaction`, { revision: header.revision, physical: true });
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

/** etcd's API as JSON. */
async function post<T>(url: string, body: object): Promise<T> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}
