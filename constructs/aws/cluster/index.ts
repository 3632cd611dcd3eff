import type { ITerraformDependable } from "cdktf";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { EksAddon } from "@cdktf/provider-aws/lib/eks-addon";
import { EksCluster } from "@cdktf/provider-aws/lib/eks-cluster";
import type { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Construct } from "constructs";
import {
  DEFAULT_SERVICE_CIDR,
  checkCluster,
  clusterSchema,
  resolveAddons,
  type Addon,
  type ClusterSpec,
  type ExistingClusterSpec,
  type ResolvedCluster,
} from "../../../config/cluster";
import { resolve } from "../../../config/schema";
import { addDependency, kmsKey } from "../internal";
import type { INetwork } from "../network";
import { CNI, ClusterAccess, ClusterRole, CniRole } from "./roles";
import { ExistingCluster, type ICluster } from "./existing";

export { ClusterAccess, ClusterRole, CniRole } from "./roles";
export { ExistingCluster, type ICluster } from "./existing";

export interface ClusterProps extends ClusterSpec {
  /** Network of the cluster: a `Network`, or `Network.fromAttributes`. */
  readonly network: INetwork;
}

/**
 * Creates an EKS cluster: private endpoint, Secrets encrypted with a KMS key of the account, access entries instead of
 * aws-auth, and add-ons ordered before or after the nodes by their dependencies. It creates no OIDC provider: pods get roles by
 * Pod Identity.
 * @throws InvalidInputError
 */
export class Cluster extends Construct implements ICluster {
  /** Uses an existing cluster. Terraform looks up the attributes that are not given. */
  static fromAttributes(scope: Construct, id: string, attributes: ExistingClusterSpec): ICluster {
    return new ExistingCluster(scope, id, attributes);
  }

  readonly resource: EksCluster;
  /** Undefined if a key was given. */
  readonly secretsKey?: KmsKey;
  /** Undefined if no logs are enabled. */
  readonly logGroup?: CloudwatchLogGroup;
  readonly clusterRole: ClusterRole;
  /** Undefined if the vpc-cni add-on is off or has its own pod identity associations. */
  readonly cniRole?: CniRole;
  readonly access: ClusterAccess[];
  /** By name. */
  readonly addons: ReadonlyMap<string, EksAddon>;
  readonly version: string;
  readonly region: string;
  readonly ipFamily: "ipv4" | "ipv6";
  readonly subnetIds: string[];
  readonly beforeNodes: ITerraformDependable[];
  private readonly spec: ResolvedCluster;

  constructor(scope: Construct, id: string, props: ClusterProps) {
    super(scope, id);
    const { network, ...input } = props;
    const spec = resolve(this.node.path, clusterSchema, input, checkCluster);
    this.spec = spec;
    this.version = spec.version;
    this.region = spec.region;
    this.ipFamily = spec.ipFamily;
    this.subnetIds = network.privateSubnetIds;
    if (spec.kmsKeyArn === undefined) {
      this.secretsKey = kmsKey(this, "secrets-key", `Kubernetes Secrets of EKS cluster ${spec.name}`);
    }
    const keyArn = spec.kmsKeyArn ?? this.secretsKey!.arn;
    this.logGroup = this.makeLogGroup();
    this.clusterRole = new ClusterRole(this, "role", { clusterName: spec.name, region: spec.region, keyArn });
    this.resource = this.makeCluster(keyArn, network);
    this.access = this.makeAccess();
    const addons = resolveAddons(spec.addons);
    const cni = addons.find(({ name }) => name === "vpc-cni");
    if (cni?.podIdentityAssociations.length === 0) this.cniRole = this.makeCniRole();
    const entries = this.access.map(({ entry }) => entry);
    this.addons = new Map(addons.map((addon) => [addon.name, this.makeAddon(addon)]));
    const early = addons.filter(({ beforeNodes }) => beforeNodes).map(({ name }) => this.addons.get(name)!);
    // Add-ons depend on the access entries, and these on the cluster, so node groups depend on the add-ons only.
    this.beforeNodes = [...network.ready, ...(early.length > 0 ? early : [this.resource, ...entries])];
  }

  /** A Terraform reference: resources that use the name depend on the cluster. */
  get name(): string {
    return this.resource.name;
  }

  get endpoint(): string {
    return this.resource.endpoint;
  }

  get certificateAuthority(): string {
    return this.resource.certificateAuthority.get(0).data;
  }

  get serviceCidr(): string {
    return this.ipFamily === "ipv6"
      ? this.resource.kubernetesNetworkConfig.serviceIpv6Cidr
      : (this.spec.serviceIpv4Cidr ?? DEFAULT_SERVICE_CIDR);
  }

  get securityGroupId(): string {
    return this.resource.vpcConfig.clusterSecurityGroupId;
  }

  /** Makes add-ons that run as Deployments, such as coredns, depend on these node groups. Terraform destroys the add-ons first. */
  afterNodes(...nodes: readonly ITerraformDependable[]): void {
    for (const addon of this.addons.values()) {
      if (this.beforeNodes.includes(addon)) continue;
      for (const node of nodes) addDependency(addon, node);
    }
  }

  /** Created before the cluster: otherwise EKS creates it without retention, and again after Terraform deleted it. */
  private makeLogGroup(): CloudwatchLogGroup | undefined {
    if (this.spec.enabledLogTypes.length === 0) return undefined;
    return new CloudwatchLogGroup(this, "logs", {
      name: `/aws/eks/${this.spec.name}/cluster`,
      retentionInDays: this.spec.logRetentionDays,
    });
  }

  private makeCluster(keyArn: string, network: INetwork): EksCluster {
    const spec = this.spec;
    return new EksCluster(this, "cluster", {
      name: spec.name,
      version: spec.version,
      roleArn: this.clusterRole.role.arn,
      enabledClusterLogTypes: spec.enabledLogTypes,
      bootstrapSelfManagedAddons: false,
      deletionProtection: spec.deletionProtection,
      accessConfig: {
        authenticationMode: "API",
        bootstrapClusterCreatorAdminPermissions: spec.bootstrapClusterCreatorAdminPermissions,
      },
      vpcConfig: {
        subnetIds: network.privateSubnetIds,
        endpointPrivateAccess: spec.endpointPrivateAccess,
        endpointPublicAccess: spec.endpointPublicAccess,
        ...(spec.endpointPublicAccess ? { publicAccessCidrs: spec.publicAccessCidrs } : {}),
      },
      kubernetesNetworkConfig: {
        ipFamily: spec.ipFamily,
        ...(spec.ipFamily === "ipv4"
          ? { serviceIpv4Cidr: spec.serviceIpv4Cidr ?? DEFAULT_SERVICE_CIDR }
          : {}),
      },
      encryptionConfig: { resources: ["secrets"], provider: { keyArn } },
      upgradePolicy: { supportType: spec.supportType },
      dependsOn: [...this.clusterRole.permissions, ...(this.logGroup ? [this.logGroup] : [])],
    });
  }

  private makeAccess(): ClusterAccess[] {
    const scope = new Construct(this, "access");
    return this.spec.accessEntries.map(
      (entry) => new ClusterAccess(scope, this.resource.name, this.region, entry),
    );
  }

  private makeCniRole(): CniRole {
    return new CniRole(this, "vpc-cni-role", {
      clusterName: this.spec.name,
      region: this.region,
      ipv6: this.ipFamily === "ipv6",
    });
  }

  /**
   * Access entries are destroyed after every add-on that may need them. Policy associations are destroyed after the add-ons
   * that follow the nodes only: nodes and what they depend on are replaced with create-before-destroy, and to EKS an
   * association with another scope is the same association, which would then be lost (see terraform-aws-eks#3403).
   */
  private makeAddon(addon: Addon): EksAddon {
    const entries = this.access.flatMap(({ entry, associations }) =>
      addon.beforeNodes ? [entry] : [entry, ...associations],
    );
    const cni = addon.name === "vpc-cni" ? this.cniRole : undefined;
    const identities = [
      ...(cni ? [{ serviceAccount: CNI.serviceAccount, roleArn: cni.role.arn }] : []),
      ...addon.podIdentityAssociations,
    ];
    return new EksAddon(this, `addon-${addon.name}`, {
      clusterName: this.resource.name,
      addonName: addon.name,
      resolveConflictsOnCreate: "OVERWRITE",
      resolveConflictsOnUpdate: "OVERWRITE",
      ...(addon.version === undefined ? {} : { addonVersion: addon.version }),
      ...(addon.configuration === undefined
        ? {}
        : { configurationValues: JSON.stringify(addon.configuration) }),
      ...(identities.length === 0 ? {} : { podIdentityAssociation: identities }),
      dependsOn: [...entries, ...(cni ? [cni.permission] : [])],
    });
  }
}
