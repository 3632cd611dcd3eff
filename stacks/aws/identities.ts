import type { ICluster } from "../../constructs/aws/cluster";
import type { IImageRepository } from "../../constructs/aws/image-repository";
import type { ICheckpointStore } from "../../constructs/aws/checkpoint-store";
import { PodIdentity } from "../../constructs/aws/pod-identity";
import type { ServiceAccountSpec } from "../../config/pod-identity";
import { Construct } from "constructs";
import type { Platform } from "../../config/platform";

interface Stores {
  readonly store?: ICheckpointStore;
  readonly repository?: IImageRepository;
}

/** Creates one role for each ServiceAccount with all its grants: EKS allows one association per ServiceAccount. */
export class Identities extends Construct {
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
    for (const checker of imageRepository?.checkers ?? []) {
      repository?.grantCheck(name(checker), this.of(checker).role);
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

/** Unique, because neither name may have a _. */
function name({ namespace, serviceAccount }: ServiceAccountSpec): string {
  return `${namespace}_${serviceAccount}`;
}
