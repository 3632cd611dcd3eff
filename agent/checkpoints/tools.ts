import type { KubeletClient } from "../../clients/kubelet";
import type { AgentSettings } from "../../config/programs/agent";
import type { Client, Logger } from "../../kube";
import type { ArchiveMetadata, PushedImage } from "../archive";
import type { ArchiveFolder } from "./archives";
import type { Journal } from "./journal";

/** Makes an image of an archive and pushes it. `check` looks at the archive before anything is stored. */
export type Push = (options: {
  readonly file: string;
  /** `registry/repository:tag` */
  readonly image: string;
  readonly check: (metadata: ArchiveMetadata) => void;
  readonly signal: AbortSignal;
}) => Promise<PushedImage>;

/** How long this and that is waited for, ms. */
export interface Times {
  /** Between looks at an archive that may still be written, and how long it must not have changed. */
  readonly quietMs: number;
  /**
   * After a lost answer: how long the kubelet may take to end, or the archive to appear, before it is asked again. A dump of 1 GB
   * took up to 20 s on a slow disk before there was one (docs/agent/performance.md).
   */
  readonly settleMs: number;
  /** How long a kubelet that cannot be reached, or refuses, is tried. */
  readonly kubeletMs: number;
  /** First and longest wait between tries. */
  readonly backoffMs: readonly [number, number];
}

export const TIMES: Times = {
  quietMs: 2000,
  settleMs: 30_000,
  kubeletMs: 60_000,
  backoffMs: [1000, 30_000],
};

/** What the worker acts with. */
export interface Tools {
  readonly settings: Pick<
    AgentSettings,
    "namespace" | "repository" | "quotaBytes" | "reserveBytes" | "maxConcurrent"
  >;
  readonly client: Client;
  readonly kubelet: Pick<KubeletClient, "checkpoint">;
  readonly journal: Pick<Journal, "load" | "get" | "list" | "put" | "remove">;
  readonly archives: Pick<ArchiveFolder, "of" | "askedAt" | "holds" | "look" | "remove" | "freeBytes">;
  readonly push: Push;
  readonly times: Times;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}
