import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";
import { cedanaSchema } from "./cedana-schema";

/** Name of the CustomResourceDefinition; fixed by Kubernetes to `<plural>.<group>`. */
export const CEDANA_CRD = "cedanas.core.cedana.ai";

/**
 * The kind `Cedana` (core.cedana.ai/v1), as Cedana published it until 2024, with the checks it lacked. Every object
 * that could be acted upon then is still accepted.
 */
export class CedanaCrd extends Construct {
  readonly definition: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    // V1CustomResourceDefinition spells fields of the schema otherwise (_enum, x_kubernetes_…), hence no type here.
    this.definition = object(this, "cedanas", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: metadata(install, { name: CEDANA_CRD }),
      spec: {
        group: "core.cedana.ai",
        names: { kind: "Cedana", listKind: "CedanaList", plural: "cedanas", singular: "cedana" },
        scope: "Namespaced",
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: cedanaSchema },
            subresources: { status: {} },
            additionalPrinterColumns: [
              { name: "Method", type: "string", jsonPath: ".spec.method" },
              { name: "Sandbox", type: "string", jsonPath: ".spec.sandboxName" },
              { name: "Container", type: "string", jsonPath: ".spec.containerName" },
              { name: "Checkpointed", type: "boolean", jsonPath: ".status.checkpointDone" },
              { name: "Restored", type: "boolean", jsonPath: ".status.restoreDone" },
              { name: "Last Checkpoint", type: "date", jsonPath: ".status.lastCheckpointedTime" },
              { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
            ],
          },
        ],
      },
    });
  }
}
