import { KEEP_SECONDS } from "../../../api";
import type { CheckpointMetadata, NodeService } from "../../../clients/node-service";
import {
  parseReference,
  registryCredentials,
  RegistryClient,
  type Identity,
} from "../../../clients/registry";
import type { AgentSettings } from "../../../config/programs/agent";
import { loadMemory, pullCheckpoint, pushCheckpoint, type PushedCheckpoint } from "../../artifact";
import type { CheckpointContext } from "../../work";
import type { Slots } from "./slots";

/** Access to the registry, with the configured credentials. */
export interface Artifacts {
  /** Pushes a checkpoint that the service of the node has. */
  push(uid: string, target: PushTarget, signal: AbortSignal): Promise<PushedCheckpoint>;
  /** Stages a checkpoint at the service of the node. @param image `registry/repository@sha256:...` */
  pull(options: PullOptions, signal: AbortSignal): Promise<CheckpointMetadata>;
  /** Sends the memory that a lazy `pull` left to the service of the node. */
  load(options: Pick<PullOptions, "image" | "podUID">, signal: AbortSignal): Promise<void>;
}

export interface PushTarget {
  /** `registry/repository:tag` */
  readonly image: string;
  /** UID of the namespace kube-system, if the artifact names it. */
  readonly cluster?: string | undefined;
}

export interface PullOptions {
  readonly image: string;
  readonly podUID: string;
  /** The largest sum of the checkpoint's files on the node. */
  readonly maxBytes: number;
  /** Free space that must remain on the disk, in bytes. */
  readonly reserveBytes: number;
  /** Whether memory may be left for `load`, after the plan. */
  readonly lazy: boolean;
}

/**
 * Returns pushes and pulls with the configured credentials. Gets them for each one: an ECR password is valid for 12 hours.
 */
export function artifactsWith(
  node: NodeService,
  registry: AgentSettings["registry"],
  identity: Identity,
): Artifacts {
  const run = async <T>(image: string, work: (client: RegistryClient) => Promise<T>): Promise<T> => {
    const reference = parseReference(image);
    const credentials = await registryCredentials(registry, reference, identity);
    // The job retries for longer.
    const client = new RegistryClient({ registry: reference.registry, credentials, attempts: 2 });
    try {
      return await work(client);
    } finally {
      client.close();
    }
  };
  return {
    push: (uid, { image, cluster }, signal) =>
      run(image, (client) =>
        pushCheckpoint({
          uid,
          reference: parseReference(image),
          ...(cluster === undefined ? {} : { cluster }),
          client,
          node,
          signal,
        }),
      ),
    pull: (options, signal) =>
      run(options.image, (client) => pullCheckpoint({ ...options, client, node, signal })),
    load: (options, signal) =>
      run(options.image, (client) => loadMemory({ ...options, client, node, signal })),
  };
}

/** Delays and time limits, in milliseconds. */
export interface Times {
  /** How long requests to a service that is unavailable, or was interrupted, are retried. */
  readonly serviceMs: number;
  /** First and longest delay between retries. */
  readonly backoffMs: readonly [number, number];
  /** How long the push of a checkpoint of running processes continues beyond its timeout. */
  readonly keepMs: number;
  /** First and longest interval in which the outcome of a restore is read. */
  readonly pollMs: readonly [number, number];
}

/** An update of the service can take 2 minutes: it first lets a checkpoint in flight end (docs/runtime/service.md). */
export const TIMES: Times = {
  serviceMs: 150_000,
  backoffMs: [500, 15_000],
  keepMs: KEEP_SECONDS * 1000,
  pollMs: [100, 2000],
};

/** Dependencies of the jobs. */
export interface CriuContext extends CheckpointContext {
  readonly node: Pick<
    NodeService,
    "checkpoint" | "forget" | "lay" | "decline" | "replan" | "outcome" | "forgetPlan" | "loseMemory" | "state"
  >;
  readonly artifacts: Artifacts;
  /** Limits the pulls at a time. */
  readonly pulls: Slots;
  readonly times: Times;
}
