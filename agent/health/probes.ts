import { constants, readdir, readFile, readlink, stat, statfs } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { isFinal, rawKind, textAt, type Client, type Json } from "../../kube";
import type { AgentSettings } from "../../config/programs/agent";
import type { Identity } from "../../clients/registry";
import { readRuntimeHandler, type ConfigFiles } from "./containerd-config";
import { errorText, type CheckName, type Finding } from "./finding";
import { registryCheck } from "./registry-check";
import { checkCriu, checkCriuLink, type CriuCheck } from "./rules/criu";
import { checkCgroup, checkIoUring, checkKernel, checkSpace } from "./rules/node";
import { checkHandler, checkNodeService } from "./rules/node-service";
import { Probe } from "./run";

export interface ProbesOptions {
  readonly settings: AgentSettings;
  readonly client: Client;
  readonly node: string;
  /** Directory below which the host's directories of `criuLink` and `runtimeConfig` are mounted; `/` on the host itself. */
  readonly host: string;
  /** File with the result of container criu-check. */
  readonly criuResult: string;
  readonly identity: Identity;
}

/** Reuse of checks that put load on other components and whose results rarely change. */
const REUSE_MS = 300_000;

/** Returns a timeout shorter than that of a check, so that the request's own error is reported. */
function requestTimeoutMs({ health }: AgentSettings): number {
  return health.timeoutSeconds * 800;
}

type Check = (signal: AbortSignal) => Promise<Finding>;

/** Returns a check of runtime handler and wrapper. While the API server does not respond, it uses the last known runtime. */
function handlerCheck(options: ProbesOptions): Check {
  const { handler, health } = options.settings;
  const { name, binary } = handler;
  let runtime: string | undefined;
  return async () => {
    const config = await orUnknown(readRuntimeHandler(health.runtimeConfig, name, configFiles(options)));
    runtime = await runtimeOf(options, runtime);
    return checkHandler(runtime, handler, config, await fileAt(join(options.host, binary)));
  };
}

async function fileAt(path: string): Promise<"executable" | "missing" | "other"> {
  const found = await orUndefined(stat(path));
  if (found === undefined) return "missing";
  return found.isFile() && (found.mode & constants.S_IXUSR) !== 0 ? "executable" : "other";
}

/** Returns the probes of all checks of a node. */
export function probesOf(options: ProbesOptions): readonly Probe[] {
  const { settings, host } = options;
  const { health, criuLink, folder, stateSocket, state } = settings;
  const timeoutMs = requestTimeoutMs(settings);
  const checks: Readonly<Record<CheckName, Check>> = {
    criu: async () =>
      checkCriu(folder, await criuResult(options.criuResult), {
        now: Date.now(),
        limitMs: (2 * health.periodSeconds + health.timeoutSeconds) * 1000,
      }),
    criuLink: async () => checkCriuLink(folder, criuLink, await linkAt(join(host, criuLink))),
    kernel: async () => checkKernel(release(), health.minKernel),
    cgroup: async () => checkCgroup(await cgroupVersion(), health.allowCgroupV1),
    runtime: handlerCheck(options),
    nodeService: async () => checkNodeService(stateSocket, await criuResult(options.criuResult)),
    space: async () => {
      const { bavail, bsize } = await statfs(state);
      return checkSpace(bavail * bsize, settings);
    },
    registry: registryCheck(settings, options.identity, timeoutMs),
    ioUring: async () => checkIoUring(await ioUringDisabled()),
  };
  const reused: readonly CheckName[] = ["runtime", "registry"];
  return Object.entries(checks).map(
    ([check, run]) =>
      new Probe({
        check: check as CheckName,
        run,
        ...(reused.includes(check as CheckName) && { reuseMs: REUSE_MS }),
      }),
  );
}

async function criuResult(file: string): Promise<CriuCheck | undefined> {
  const text = await orUndefined(readFile(file, "utf8"));
  return text === undefined ? undefined : (JSON.parse(text) as CriuCheck);
}

async function linkAt(path: string) {
  try {
    return { link: await readlink(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL") return "other";
    if (code === "ENOENT") return undefined;
    throw error;
  }
}

/** Returns the cgroup version of the pod, which is the node's. Only v2 has this file; in hybrid mode containers use v1. */
async function cgroupVersion(): Promise<1 | 2> {
  return (await orUndefined(stat("/sys/fs/cgroup/cgroup.controllers"))) ? 2 : 1;
}

async function ioUringDisabled(): Promise<string | undefined> {
  return orUndefined(readFile("/proc/sys/kernel/io_uring_disabled", "utf8"));
}

const NODE = rawKind("v1", "Node", "nodes");

/** Reads the container runtime of the node. @param known returned if the API server does not respond */
async function runtimeOf({ client, node, settings }: ProbesOptions, known?: string): Promise<string> {
  const timeoutMs = requestTimeoutMs(settings);
  let found: Json | undefined;
  try {
    found = await client.get(NODE, { name: node }, { timeoutMs });
  } catch (error) {
    if (known === undefined || isFinal(error)) throw error;
    return known;
  }
  if (found === undefined) throw new Error(`node ${node} does not exist`);
  return textAt(found, "status", "nodeInfo", "containerRuntimeVersion") ?? "";
}

function configFiles({ host }: Pick<ProbesOptions, "host">): ConfigFiles {
  return {
    read: (path) => readFile(join(host, path), "utf8"),
    list: async (directory) => (await orUndefined(readdir(join(host, directory)))) ?? [],
  };
}

/** Returns why a configuration cannot be read, instead of the error. */
async function orUnknown<T>(work: Promise<T>): Promise<T | { readonly unknown: string }> {
  try {
    return await work;
  } catch (error) {
    return { unknown: errorText(error) };
  }
}

/** Returns undefined if the file is missing. @throws any other error */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    // A part of the path is missing, or is a file.
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
