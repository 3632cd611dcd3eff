import { dirname } from "node:path/posix";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { CRIU_LINK, STATE } from "../../../../config/programs/agent";
import { isNodeLocalRegistry } from "../../../../config/engines/node-agent";
import { settingsHash, type NodeAgentInput } from "./input";
import type { Manifest } from "../../object";
import { daemonSet, image } from "../../pod";
import {
  apiToken,
  credentials,
  environment,
  hostDirectory,
  ROOT,
  emptyDirectory,
  settings,
  SETTINGS_PATH,
  mergeMounts,
} from "./pod";

/** Mount point of directories of the node whose path is used in the image. */
export const HOST = "/host";

/** Returns the directories of CRIU and of the link to it, as one tree: the link is relative. */
export function treeMounts({ folder }: Pick<NodeAgentInput["settings"], "folder">) {
  return mergeMounts(
    hostDirectory("criu", folder, "write", { at: `${HOST}${folder}`, create: true }),
    hostDirectory("criu-link", dirname(CRIU_LINK), "write", {
      at: `${HOST}${dirname(CRIU_LINK)}`,
      create: true,
    }),
  );
}

/**
 * Returns the helper, which installs CRIU on its node, and then requests checkpoints on the node and pushes them. It is root,
 * because checkpoints on the node belong to root, without any capability or namespace of the host. A registry on the node
 * itself can be reached in the node's network only.
 */
export function helperDaemonSet(input: NodeAgentInput): Manifest<V1DaemonSet> {
  const {
    engine,
    install,
    settings: { folder },
    wrapper,
    helperMounts,
  } = input;
  const { helper } = install;
  const programs = dirname(wrapper);
  const tree = mergeMounts(
    treeMounts(input.settings),
    hostDirectory("wrapper", programs, "write", { at: `${HOST}${programs}`, create: true }),
  );
  const own = mergeMounts(
    settings(input),
    apiToken(),
    credentials(input),
    helperMounts,
    hostDirectory("state", STATE, "write", { create: true }),
    emptyDirectory("tmp", "/tmp", "16Mi"),
  );
  return daemonSet(install, "helper", helper, settingsHash(input), {
    ...(isNodeLocalRegistry(engine) ? { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
    terminationGracePeriodSeconds: helper.terminationGracePeriodSeconds,
    initContainers: [
      {
        name: "install",
        ...image(engine.image),
        args: [
          "install",
          `${HOST}${folder}`,
          "--link",
          `${HOST}${CRIU_LINK}`,
          "--wrapper",
          `${HOST}${wrapper}`,
        ],
        resources: helper.resources,
        securityContext: ROOT,
        volumeMounts: tree.volumeMounts,
      },
    ],
    containers: [
      {
        name: "helper",
        ...image(engine.image),
        args: ["agent", "run", "--settings", SETTINGS_PATH],
        env: environment(helper.env),
        resources: helper.resources,
        securityContext: ROOT,
        volumeMounts: own.volumeMounts,
      },
    ],
    volumes: [...tree.volumes, ...own.volumes],
  });
}
