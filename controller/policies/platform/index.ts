/** Policies that Cedana's platform executes, by copies that the controller keeps there. */
import { PlatformClient } from "../../../clients/cedana/platform";
import type { PolicyPlatformSettings } from "../../../config/programs/controller";
import type { CachedObjects, Source } from "../../../kube";
import type { Runtime } from "../../runtime";
import type { PolicyObject } from "../objects";
import { Mirror, type PlatformPolicies } from "./mirror";
import { PlatformRecord, RECORD } from "./record";
import { PlatformReport } from "./report";
import type { Elsewhere } from "./states";
import { namesCopy, namesPlatform } from "./wanted";

export type { PlatformPolicies } from "./mirror";
export { elsewhereStatus } from "./status";

/** The policies that another program executes. */
export interface Elsewheres {
  /** Caches that must be filled before it starts. */
  readonly sources: readonly Source[];
  /** Whether another program executes the policy, or may do so: then the controller must not. */
  isElsewhere(object: PolicyObject): boolean;
  /** Returns the content of the status of such a policy. */
  elsewhere(object: PolicyObject, nowMs: number): Elsewhere;
  start(): void;
  run(signal: AbortSignal): Promise<void>;
}

export interface ElsewhereOptions extends Pick<Runtime, "cache" | "client" | "events" | "log" | "metrics"> {
  /** Undefined: the install mirrors no policies. */
  readonly settings: PolicyPlatformSettings | undefined;
  readonly policies: CachedObjects<PolicyObject>;
  /** Default: by HTTP. */
  readonly platform?: PlatformPolicies;
  /** Called with the key of each policy whose executor or state may have changed. */
  readonly changed: (key: string) => void;
}

/** Returns the policies that the platform executes. An install without it executes none that name it. */
export function elsewheres(options: ElsewhereOptions): Elsewheres {
  const { settings, cache, client, policies, changed } = options;
  if (!settings) return NONE;
  const { namespace, record: name, clusterId, url, tokenFile } = settings;
  const objects = cache.objects(RECORD, {
    namespaces: [namespace],
    fieldSelector: `metadata.name=${name}`,
  });
  const report: PlatformReport = new PlatformReport({ ...options, counts: () => mirror.counts(Date.now()) });
  const {
    platform = new PlatformClient({ url, tokenFile, observe: (...given) => report.request(...given) }),
  } = options;
  const record = new PlatformRecord({ client, objects, namespace, name, clusterId });
  const mirror: Mirror = new Mirror({ settings, policies, record, platform, report, changed });
  return {
    sources: [objects],
    isElsewhere: (object) => mirror.isElsewhere(object),
    elsewhere: (object, nowMs) => mirror.elsewhere(object, nowMs),
    start: () => mirror.start(),
    run: (signal) => mirror.run(signal),
  };
}

const NOT_SET = "install.policies.platform is not set";

const NONE: Elsewheres = {
  sources: [],
  isElsewhere: (object) => namesPlatform(object) || namesCopy(object),
  elsewhere: (object) => {
    const { platform: copy } = object.status;
    const message = copy
      ? `${NOT_SET}, and Cedana's platform may still execute the copy ${copy.id}: set it, or delete the copy in the platform and remove status.platform`
      : `${NOT_SET}: nothing executes this policy. Set it, or remove spec.executor`;
    return { holds: "Failed", reason: "InvalidExecutor", message, copy };
  },
  start: () => {},
  run: async () => {},
};
