import { readdir, readFile, readlink, stat, statfs } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { rawKind, textAt, type Client } from "../../kube";
import type { AgentSettings } from "../../config/programs/agent";
import { exchange, NoResponseError } from "../../http";
import type { Identity } from "../registry";
import { registryCheck } from "./ask-registry";
import { readContainerdConfig, type ConfigFiles } from "./containerd-config";
import type { CheckName, Finding } from "./finding";
import { Probe, wordsOf } from "./probe";
import { checkCriu, checkCriuLink, type CriuCheck } from "./rules/criu";
import { checkKubelet } from "./rules/remote";
import { checkRuntime, type RuntimeConfig } from "./rules/runtime";
import { checkCgroup, checkIoUring, checkKernel, checkSpace } from "./rules/system";

export interface ProbesOptions {
  readonly settings: AgentSettings;
  readonly client: Client;
  readonly node: string;
  /** Address of the node, where its kubelet listens. */
  readonly hostIp: string;
  /** Certificates (PEM) by which the kubelet's is checked. */
  readonly ca: () => Promise<string>;
  /** Folder in which the host's folders of `criuLink` and `runtimeConfig` are mounted; `/` on the host itself. */
  readonly host: string;
  /** Where the container criu-check writes its result. */
  readonly criuResult: string;
  readonly identity: Identity;
}

/** Questions that burden others than this node, and whose answers seldom change. */
const SELDOM_MS = 300_000;

/** Less than a check may take: its own error says more than that it was late. */
function innerTimeoutMs({ health }: AgentSettings): number {
  return health.timeoutSeconds * 800;
}

/** All checks of a node. */
export function probesOf(options: ProbesOptions): readonly Probe[] {
  const { settings, host } = options;
  const { health, criuLink, folder } = settings;
  const timeoutMs = innerTimeoutMs(settings);
  const looks: Readonly<Record<CheckName, (signal: AbortSignal) => Promise<Finding>>> = {
    criu: async () =>
      checkCriu(folder, await resultIn(options.criuResult), {
        now: Date.now(),
        limitMs: (2 * health.periodSeconds + health.timeoutSeconds) * 1000,
      }),
    criuLink: async () => checkCriuLink(folder, criuLink, await linkAt(join(host, criuLink))),
    kernel: async () => checkKernel(release(), health.minKernel),
    cgroup: async () => checkCgroup(await cgroupVersion(), health.allowCgroupV1),
    runtime: async () =>
      checkRuntime(await runtimeOf(options), await configOf(options), health.requireRestore),
    kubelet: (signal) => askKubelet(options, signal),
    space: async () => {
      const { bavail, bsize } = await statfs(settings.archives);
      return checkSpace(bavail * bsize, settings);
    },
    registry: registryCheck(settings, options.identity, timeoutMs),
    ioUring: async () => checkIoUring(await ioUringDisabled()),
  };
  const seldom: readonly CheckName[] = ["runtime", "registry"];
  return Object.entries(looks).map(
    ([check, look]) =>
      new Probe({
        check: check as CheckName,
        look,
        ...(seldom.includes(check as CheckName) && { goodForMs: SELDOM_MS }),
      }),
  );
}

async function resultIn(file: string): Promise<CriuCheck | undefined> {
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

/** Of the pod, which is the node's: only v2 has this file, and with both in use (hybrid) containers have v1. */
async function cgroupVersion(): Promise<1 | 2> {
  return (await orUndefined(stat("/sys/fs/cgroup/cgroup.controllers"))) ? 2 : 1;
}

async function ioUringDisabled(): Promise<string | undefined> {
  return orUndefined(readFile("/proc/sys/kernel/io_uring_disabled", "utf8"));
}

const NODE = rawKind("v1", "Node", "nodes");

async function runtimeOf({ client, node, settings }: ProbesOptions): Promise<string> {
  const timeoutMs = innerTimeoutMs(settings);
  const found = await client.get(NODE, { name: node }, { timeoutMs });
  if (found === undefined) throw new Error(`there is no node ${node}`);
  return textAt(found, "status", "nodeInfo", "containerRuntimeVersion") ?? "";
}

async function configOf({ settings, host }: ProbesOptions): Promise<RuntimeConfig> {
  const files: ConfigFiles = {
    read: (path) => readFile(join(host, path), "utf8"),
    list: async (folder) => (await orUndefined(readdir(join(host, folder)))) ?? [],
  };
  try {
    return await readContainerdConfig(settings.health.runtimeConfig, files);
  } catch (error) {
    return { unknown: wordsOf(error) };
  }
}

async function askKubelet({ settings, hostIp, ca }: ProbesOptions, signal: AbortSignal): Promise<Finding> {
  const address = `${hostIp.includes(":") ? `[${hostIp}]` : hostIp}:${settings.kubelet.port}`;
  const timeoutMs = innerTimeoutMs(settings);
  try {
    const url = new URL(`https://${address}/healthz`);
    const headers = { "user-agent": "cedana-agent" };
    const request = { method: "GET", url, headers, ca: await ca() } as const;
    const { status } = await exchange(request, { timeoutMs, signal });
    return checkKubelet(address, status);
  } catch (error) {
    if (!(error instanceof NoResponseError)) throw error;
    return checkKubelet(address, { error: wordsOf(error) });
  }
}

/** @throws any error but that there is nothing */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
