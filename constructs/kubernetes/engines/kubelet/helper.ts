import { dirname } from "node:path/posix";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { ARCHIVES, CRIU_LINK, STATE } from "../../../../config/programs/agent";
import { isNodeLocalRegistry } from "../../../../config/engines/kubelet";
import { settingsHash, type KubeletInput } from "./input";
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

/** Mount point of directories of the node whose path already exists in the image. */
export const HOST = "/host";

/** Mounts CRIU's directory and that of the link to it below the same mount point, because the link is relative. */
export function treeMounts({ engine }: Pick<KubeletInput, "engine">) {
  return mergeMounts(
    hostDirectory("criu", engine.folder, "write", { at: `${HOST}${engine.folder}`, create: true }),
    hostDirectory("criu-link", dirname(CRIU_LINK), "write", {
      at: `${HOST}${dirname(CRIU_LINK)}`,
      create: true,
    }),
  );
}

/**
 * Returns the DaemonSet of the helper. It installs CRIU on its node, requests checkpoints from the kubelet and pushes them. It
 * runs as root, because root owns the archives, but without capabilities or namespaces of the host. Only a registry on the node
 * itself requires the node's network namespace.
 */
export function helperDaemonSet(input: KubeletInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { helper } = install;
  const tree = treeMounts(input);
  const mounts = mergeMounts(
    settings(input),
    apiToken(),
    credentials(input),
    hostDirectory("archives", ARCHIVES, "write", { create: true }),
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
        args: ["install", `${HOST}${engine.folder}`, "--link", `${HOST}${CRIU_LINK}`],
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
        volumeMounts: mounts.volumeMounts,
      },
    ],
    volumes: [...tree.volumes, ...mounts.volumes],
  });
}
