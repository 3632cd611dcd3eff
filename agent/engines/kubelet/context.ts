import type { KubeletClient } from "../../../clients/kubelet";
import { parseReference, RegistryClient } from "../../../clients/registry";
import type { AgentSettings } from "../../../config/programs/agent";
import { pushArchive, type ArchiveMetadata, type PushedImage } from "../../archive";
import { registryCredentials, type Identity } from "../../registry";
import type { ArchiveDirectory } from "./archives";
import type { CheckpointContext } from "../../work";
import type { JournalEntry } from "./journal";

/** Builds an image of an archive and pushes it. `check` receives the metadata before anything is stored. */
export type Push = (options: {
  readonly file: string;
  /** `registry/repository:tag` */
  readonly image: string;
  readonly check: (metadata: ArchiveMetadata) => void;
  readonly signal: AbortSignal;
}) => Promise<PushedImage>;

/** Returns a push with the configured credentials. Gets them for each push: an ECR password is valid for 12 hours. */
export function pushWith(registry: AgentSettings["registry"], identity: Identity): Push {
  return async ({ file, image, check, signal }) => {
    const reference = parseReference(image);
    const credentials = await registryCredentials(registry, reference, identity);
    // The job retries for longer.
    const client = new RegistryClient({ registry: reference.registry, credentials, attempts: 2 });
    try {
      return await pushArchive({ file, reference, client, check, signal });
    } finally {
      client.close();
    }
  };
}

/** Delays and time limits, in milliseconds. */
export interface Times {
  /** How long an archive must be unchanged to count as complete. */
  readonly quietMs: number;
  /**
   * After a lost response: how long to wait for the archive to appear before the request is sent again. A dump of 1 GB took up
   * to 20 s on a slow disk before the file appeared (docs/agent/performance.md).
   */
  readonly settleMs: number;
  /** How long requests to a kubelet that is unreachable or rejects them are retried. */
  readonly kubeletMs: number;
  /** First and longest delay between retries. */
  readonly backoffMs: readonly [number, number];
}

export const TIMES: Times = {
  quietMs: 2000,
  settleMs: 30_000,
  kubeletMs: 60_000,
  backoffMs: [1000, 30_000],
};

/** Dependencies of checkpoint jobs. */
export interface JobContext extends CheckpointContext<JournalEntry> {
  readonly kubelet: Pick<KubeletClient, "checkpoint">;
  readonly archives: Pick<
    ArchiveDirectory,
    "ofContainer" | "requestedAt" | "contains" | "stat" | "remove" | "freeBytes"
  >;
  readonly push: Push;
  readonly times: Times;
}
