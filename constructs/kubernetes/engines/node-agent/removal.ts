import { dirname } from "node:path/posix";
import type { V1DaemonSet } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { STATE } from "../../../../config/programs/agent";
import { agentNamespace, commonLabels, imageReference } from "../../../../config/install";
import { metadata, object, type Manifest } from "../../object";
import { placementOf } from "../../pod";
import { hostDirectory, ROOT, mergeMounts } from "./pod";
import { HOST, treeMounts } from "./helper";
import type { NodeAgentInput } from "./input";

const COMPONENT = "agent-removal";

/**
 * Removes from each node what the helper installed, after the helper itself was removed. A pod of its DaemonSet is Running
 * when its node is done. Apply it separately, wait until all pods are Running, and delete it.
 */
export class NodeAgentRemoval extends Construct {
  readonly daemonSet: ApiObject;

  constructor(scope: Construct, id: string, input: NodeAgentInput) {
    super(scope, id);
    this.daemonSet = object(this, "daemon-set", removalDaemonSet(input));
  }
}

function removalDaemonSet(input: NodeAgentInput): Manifest<V1DaemonSet> {
  const {
    engine,
    install,
    settings: { folder },
    data,
  } = input;
  const selector = { "app.kubernetes.io/component": COMPONENT, "app.kubernetes.io/instance": install.name };
  const name = `${install.name}-${COMPONENT}`;
  // The wrapper stays: containerd calls it until no container of its handler is left.
  const criu = treeMounts(input.settings);
  const state = hostDirectory("state", dirname(STATE), "write", {
    at: `${HOST}${dirname(STATE)}`,
    create: true,
  });
  const image = { image: imageReference(engine.image), imagePullPolicy: engine.image.pullPolicy };
  const resources = { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } };
  const shell = (script: string) => ({ command: ["sh", "-c", script] });
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadata(install, { name, namespace: agentNamespace(install), component: COMPONENT }),
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "100%" } },
      template: {
        metadata: { labels: { ...commonLabels(install, COMPONENT), ...selector } },
        spec: {
          automountServiceAccountToken: false,
          ...placementOf(install, {
            nodeSelector: install.nodeSelector,
            priorityClassName: install.helper.priorityClassName,
            tolerations: install.helper.tolerations,
          }),
          terminationGracePeriodSeconds: 0,
          initContainers: [
            {
              name: "uninstall",
              ...image,
              args: ["uninstall", `${HOST}${folder}`],
              resources,
              securityContext: ROOT,
              volumeMounts: criu.volumeMounts,
            },
            {
              name: "remove-state",
              ...image,
              ...shell(`rm -rf ${[STATE, ...data].map((each) => `${HOST}${each}`).join(" ")}`),
              resources,
              securityContext: ROOT,
              volumeMounts: state.volumeMounts,
            },
          ],
          containers: [
            { name: "done", ...image, ...shell("sleep infinity"), resources, securityContext: ROOT },
          ],
          volumes: mergeMounts(criu, state).volumes,
        },
      },
    },
  };
}
