import { pullCheckpoint, pushCheckpoint } from "../../agent/artifact";
import { NodeServiceClient } from "../../clients/node-service";
import { RegistryClient } from "../../clients/registry";

/** What the process of the agent does on request. */
export type Task =
  | { readonly do: "push"; readonly uid: string }
  | { readonly do: "pull" | "read"; readonly image: string; readonly podUID: string };

/** Takes what is staged, and discards it: what a pull takes without a service. */
class Discard extends NodeServiceClient {
  override async stage(...[, open]: Parameters<NodeServiceClient["stage"]>): Promise<boolean> {
    for await (const bytes of open()) void bytes;
    return true;
  }
}

/** What it sends when that is complete: the image of a push, or the error. */
export interface Done {
  readonly image?: string;
  readonly error?: string;
}

/** Does what the parent process requests, as the agent of a node does it. */
export function serveTasks(socket: string, registry: string): void {
  const [node, discard] = [new NodeServiceClient(socket), new Discard(socket)];
  const perform = async (task: Task): Promise<Done> => {
    const client = new RegistryClient({ registry });
    try {
      if (task.do !== "push") {
        const { image, podUID } = task;
        await pullCheckpoint({ image, podUID, client, node: task.do === "pull" ? node : discard });
        return {};
      }
      const reference = { registry, repository: "checkpoints" };
      const { image } = await pushCheckpoint({ uid: task.uid, reference, client, node });
      return { image };
    } finally {
      client.close();
    }
  };
  process.on("message", (task: Task) => {
    void perform(task)
      .catch((error: unknown): Done => ({ error: String(error) }))
      .then((done) => process.send?.(done));
  });
}
