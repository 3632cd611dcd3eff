/** Policy that keeps the CRDs: with a CRD, the API server deletes all its objects. */
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import type { Kind } from "../../../api";
import { namesOf } from "../../../config/install";
import { installOf, type InstallProps } from "../input";
import { admissionPolicy } from "../admission";

/** Value of the label `app.kubernetes.io/component` of the CRDs and of this policy. */
export const CRDS_COMPONENT = "crds";

/** Annotation of a CRD that permits its deletion, with the value `"true"`. */
const DELETE_OBJECTS = "cedana.ai/delete-objects";

export interface CrdGuardProps extends InstallProps {
  /** Kinds of `cedana-cdk/api`. */
  readonly kinds: readonly Kind[];
}

/**
 * Denies the deletion of the CRDs of these kinds, and so of all Checkpoints of all namespaces, unless the CRD has the annotation
 * `cedana.ai/delete-objects: "true"`.
 */
export class CrdGuard extends Construct {
  readonly policy: ApiObject;
  readonly binding: ApiObject;

  constructor(scope: Construct, id: string, props: CrdGuardProps) {
    super(scope, id);
    const install = installOf(this, props);
    [this.policy, this.binding] = admissionPolicy(this, install, {
      id: "policy",
      name: namesOf(install).crds,
      component: CRDS_COMPONENT,
      rules: [
        {
          apiGroups: ["apiextensions.k8s.io"],
          apiVersions: ["*"],
          resources: ["customresourcedefinitions"],
          resourceNames: props.kinds.map(({ crdName }) => crdName),
          operations: ["DELETE"],
          scope: "Cluster",
        },
      ],
      validations: [
        {
          expression: `oldObject.metadata.?annotations[?'${DELETE_OBJECTS}'].orValue('') == 'true'`,
          messageExpression: `'would delete all ' + oldObject.spec.names.plural + ' of all namespaces. Keep the CRD, or first run: kubectl annotate crd ' + oldObject.metadata.name + ' ${DELETE_OBJECTS}=true'`,
          message: "would delete all objects of the kind",
          reason: "Forbidden",
        },
      ],
    });
  }
}
