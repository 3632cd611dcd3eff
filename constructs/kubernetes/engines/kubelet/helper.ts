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
  hostFolder,
  ROOT,
  scratch,
  settings,
  SETTINGS_PATH,
  together,
} from "./pod";

/** Where the containers have folders of the node whose path is not free in the image. */
export const HOST = "/host";

/** CRIU's folder and that of the link to it, as one tree: the link is relative. */
export function treeMounts({ engine }: Pick<KubeletInput, "engine">) {
  return together(
    hostFolder("criu", engine.folder, "write", { at: `${HOST}${engine.folder}`, create: true }),
    hostFolder("criu-link", dirname(CRIU_LINK), "write", {
      at: `${HOST}${dirname(CRIU_LINK)}`,
      create: true,
    }),
  );
}

/**
 * The helper: lays CRIU on its node, then has checkpoints taken by the kubelet and pushes them. Root, because the archives are
 * root's; no capability, no namespace of the host. A registry on the node itself is reached in the node's network only.
 */
export function helperDaemonSet(input: KubeletInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { helper } = install;
  const tree = treeMounts(input);
  const own = together(
    settings(input),
    apiToken(),
    credentials(input),
    hostFolder("archives", ARCHIVES, "write", { create: true }),
    hostFolder("state", STATE, "write", { create: true }),
    scratch("tmp", "/tmp", "16Mi"),
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
        volumeMounts: own.volumeMounts,
      },
    ],
    volumes: [...tree.volumes, ...own.volumes],
  });
}
