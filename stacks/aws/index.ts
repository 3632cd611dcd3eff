/**
 * The AWS side of a platform as one Terraform stack.
 * @module cedana-cdk/stacks/aws
 */
import { Construct } from "constructs";
import { LocalBackend, S3Backend, TerraformOutput, TerraformStack } from "cdktf";
import { IamUser } from "@cdktf/provider-aws/lib/iam-user";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { Cluster, type ICluster } from "../../constructs/aws/cluster";
import { ImageRepository, type IImageRepository } from "../../constructs/aws/image-repository";
import { CheckpointStore, type ICheckpointStore } from "../../constructs/aws/checkpoint-store";
import { PodIdentity } from "../../constructs/aws/pod-identity";
import type { ServiceAccountSpec } from "../../config/pod-identity";
import { checkPlatform, type Platform, type PlatformSpec } from "../../config/platform";
import { Karpenter } from "../../constructs/aws/karpenter";
import { Network, type INetwork } from "../../constructs/aws/network";
import { NodeGroup } from "../../constructs/aws/node-group";
import type { ResolvedCheckpointStore } from "../../config/checkpoint-store";
import { storeUserName } from "../../config/cluster";
import { isExistingNetwork } from "../../config/network";
import { InvalidInputError } from "../../config/schema";
import { checkUserData } from "../../render/user-data";

interface Stores {
  readonly store?: ICheckpointStore;
  readonly repository?: IImageRepository;
}

/** Creates one role for each ServiceAccount with all its grants: EKS allows one association per ServiceAccount. */
class Identities extends Construct {
  private readonly byName = new Map<string, PodIdentity>();

  constructor(
    scope: Construct,
    id: string,
    private readonly cluster: ICluster,
    { storage, imageRepository }: Pick<Platform, "storage" | "imageRepository">,
    { store, repository }: Stores,
  ) {
    super(scope, id);
    for (const writer of storage?.writers ?? []) store?.grantReadWrite(name(writer), this.of(writer).role);
    for (const reader of storage?.readers ?? []) store?.grantRead(name(reader), this.of(reader).role);
    for (const writer of imageRepository?.writers ?? []) {
      repository?.grantPush(name(writer), this.of(writer).role);
    }
    for (const pusher of imageRepository?.pushers ?? []) {
      repository?.grantUpload(name(pusher), this.of(pusher).role);
    }
    for (const puller of imageRepository?.pullers ?? []) {
      repository?.grantPull(name(puller), this.of(puller).role);
    }
    for (const checker of imageRepository?.checkers ?? []) {
      repository?.grantCheck(name(checker), this.of(checker).role);
    }
    for (const deleter of imageRepository?.deleters ?? []) {
      repository?.grantDelete(name(deleter), this.of(deleter).role);
    }
  }

  /** By `<namespace>_<serviceAccount>`. */
  get identities(): ReadonlyMap<string, PodIdentity> {
    return this.byName;
  }

  private of(subject: ServiceAccountSpec): PodIdentity {
    const known = this.byName.get(name(subject));
    if (known) return known;
    const identity = new PodIdentity(this, name(subject), { cluster: this.cluster, ...subject });
    this.byName.set(name(subject), identity);
    return identity;
  }
}

/** Returns a unique name: neither part can contain `_`. */
function name({ namespace, serviceAccount }: ServiceAccountSpec): string {
  return `${namespace}_${serviceAccount}`;
}

/**
 * The AWS side of a platform: the areas of cedana.yaml, as data. Needs `cluster` (to create one) or `existingCluster`; every
 * other area is optional. Set `engine` and `install` if CedanaChart installs them: node groups are then configured for that
 * engine, and its agents get access to the image repository.
 */
export type PlatformStackProps = Omit<PlatformSpec, "version" | "output">;

/**
 * Creates cluster, network, nodes, storage and identities as one stack with its own provider and state. Each construct is a public
 * field, and its resources are fields of the construct. To add them to an existing stack, use the constructs instead.
 * @throws InvalidInputError with the problems of all areas at once
 */
export class PlatformStack extends TerraformStack {
  readonly cluster: ICluster;
  /** Absent with an existing cluster. */
  readonly network?: INetwork;
  /** By name. */
  readonly nodeGroups: ReadonlyMap<string, NodeGroup>;
  readonly karpenter?: Karpenter;
  readonly store?: ICheckpointStore;
  readonly repository?: IImageRepository;
  readonly identities: Identities;
  /** Present with `storage.staticKeyUser`. It has no access key: one created here would be stored in the state. */
  readonly storeUser?: IamUser;

  constructor(scope: Construct, id: string, props: PlatformStackProps) {
    super(scope, id);
    const platform = checkedPlatform(this.node.path, props);
    const { name, region } = (platform.cluster ?? platform.existingCluster)!;
    const { backend, tags } = platform.terraform;
    if (backend) this.configureBackend(backend, `${region}/${name}/platform.tfstate`);
    new AwsProvider(this, "aws", {
      region,
      // Also set without tags, so that the configuration does not change between releases.
      ...(props.terraform === undefined ? {} : { defaultTags: [{ tags }] }),
    });
    this.network = this.makeNetwork(platform);
    this.cluster = this.makeCluster(platform);
    this.nodeGroups = this.makeNodeGroups(platform);
    if (platform.karpenter) {
      this.karpenter = new Karpenter(this, "karpenter", { ...platform.karpenter, cluster: this.cluster });
    }
    if (platform.storage) this.store = this.makeStore(platform.storage, name);
    if (platform.imageRepository) this.repository = this.makeRepository(platform.imageRepository);
    this.identities = new Identities(this, "identities", this.cluster, platform, this);
    if (this.store && platform.storage?.staticKeyUser) this.storeUser = this.makeStoreUser(this.store, name);
    this.output();
  }

  /** Stores the lock beside the state in the bucket (Terraform 1.10 and newer). */
  private configureBackend(backend: NonNullable<Platform["terraform"]["backend"]>, key: string): void {
    if ("path" in backend) {
      new LocalBackend(this, backend);
      return;
    }
    new S3Backend(this, { key, encrypt: true, ...backend });
    this.addOverride("terraform.backend.s3.use_lockfile", true);
  }

  private makeNetwork({ cluster, network = {} }: PlatformStackProps): INetwork | undefined {
    if (!cluster) return undefined;
    if (isExistingNetwork(network)) return Network.fromAttributes(this, "network", network);
    const { name: clusterName, region, ipFamily } = cluster;
    return new Network(this, "network", { ...network, clusterName, region, ipFamily });
  }

  private makeCluster({ cluster, existingCluster }: Platform): ICluster {
    if (!cluster) return Cluster.fromAttributes(this, "cluster", existingCluster!);
    return new Cluster(this, "cluster", { ...cluster, network: this.network! });
  }

  /** Adds the tags to each group: the provider's default tags do not apply to instances, volumes and network interfaces of a launch template. */
  private makeNodeGroups({ nodeGroups, terraform: { tags } }: Platform): ReadonlyMap<string, NodeGroup> {
    const nodes = new Construct(this, "nodes");
    const groups = new Map(
      nodeGroups.map((group) => [
        group.name,
        new NodeGroup(nodes, group.name, {
          ...group,
          tags: { ...tags, ...group.tags },
          cluster: this.cluster,
        }),
      ]),
    );
    if (this.cluster instanceof Cluster) {
      this.cluster.afterNodes(...[...groups.values()].map(({ resource }) => resource));
    }
    return groups;
  }

  private makeStore(storage: ResolvedCheckpointStore, owner: string): ICheckpointStore {
    const { writers: _writers, readers: _readers, staticKeyUser: _user, ...bucket } = storage;
    const { region } = this.cluster;
    return "existingBucket" in bucket
      ? CheckpointStore.fromAttributes(this, "storage", { ...bucket, region })
      : new CheckpointStore(this, "storage", { ...bucket, owner, region });
  }

  private makeRepository(spec: NonNullable<Platform["imageRepository"]>): IImageRepository {
    const {
      writers: _writers,
      pushers: _pushers,
      pullers: _pullers,
      checkers: _checkers,
      deleters: _deleters,
      ...repository
    } = spec;
    return "existingUrl" in repository
      ? ImageRepository.fromAttributes(this, "image-repository", repository)
      : new ImageRepository(this, "image-repository", repository);
  }

  private makeStoreUser(store: ICheckpointStore, clusterName: string): IamUser {
    const user = new IamUser(this, "store-user", { name: storeUserName(clusterName, this.cluster.region) });
    store.grantReadWriteToUser("static-key", user);
    return user;
  }

  /** Adds the outputs that the Kubernetes side and a user's next commands need. None is secret. */
  private output(): void {
    const values: Record<string, string | undefined> = {
      cluster_name: this.cluster.name,
      cluster_region: this.cluster.region,
      cluster_endpoint: this.cluster.endpoint,
      cluster_certificate_authority: this.cluster.certificateAuthority,
      cluster_security_group_id: this.cluster.securityGroupId,
      vpc_id: this.network?.vpcId,
      karpenter_interruption_queue: this.karpenter?.interruptionQueue.queue.name,
      karpenter_node_role: this.karpenter?.nodeRole.role.name,
      checkpoint_bucket: this.store?.bucketName,
      checkpoint_prefix: this.store?.prefix,
      checkpoint_url: this.store?.url,
      checkpoint_user: this.storeUser?.name,
      image_repository_url: this.repository?.url,
    };
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) new TerraformOutput(this, name, { value });
    }
    const roles = [...this.identities.identities].map(([name, { role }]) => [name, role.arn]);
    if (roles.length > 0) {
      new TerraformOutput(this, "pod_identity_role_arns", { value: Object.fromEntries(roles) });
    }
  }
}

/** Checks the props. @throws InvalidInputError with all their problems */
function checkedPlatform(subject: string, props: PlatformStackProps): Platform {
  const { platform, problems } = checkPlatform({ version: 1, ...props }, checkUserData);
  if (!platform) throw new InvalidInputError(subject, problems);
  if (platform.cluster || platform.existingCluster) return platform;
  throw new InvalidInputError(subject, [
    {
      code: "cluster-missing",
      path: [],
      message: "needs a cluster",
      allowed: "cluster, to create one, or existingCluster",
    },
  ]);
}

/**
 * Adds the AWS side of a platform to a cdktf app, as a stack.
 * @param platform - as `readPlatform` or `resolvePlatform` returned it
 * @param id - of the stack. Must differ for each platform of an app
 * @returns undefined if the platform has no cluster
 */
export function stackFromPlatform(
  app: Construct,
  platform: Platform,
  id = "platform",
): PlatformStack | undefined {
  if (!platform.cluster && !platform.existingCluster) return undefined;
  const { version: _version, output: _output, ...props } = platform;
  return new PlatformStack(app, id, props);
}
