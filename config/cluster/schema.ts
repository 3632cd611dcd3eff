import * as v from "../schema/valibot";
import { KUBERNETES_MINORS, compareVersions } from "../nodes";
import { arn, clusterName, derived, described, dnsLabel, pattern, region, rule, shape } from "../schema";
import { anyCidr, ipv4Cidr, securityGroupId, subnetId } from "../network";
import { addonsSchema } from "./addons";
import { isToken } from "../schema/rule";

/** Retention times of CloudWatch Logs, in days. 0: the logs never expire (PutRetentionPolicy). */
export const RETENTION_DAYS = [
  0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const [OLDEST] = KUBERNETES_MINORS;
const allowed = `${OLDEST} to ${KUBERNETES_MINORS.at(-1)}, in quotes, without a patch number`;

const isEnded = (version: string) => /^1\.\d+$/.test(version) && compareVersions(version, OLDEST) < 0;

/**
 * Returns the schema of a Kubernetes minor version that EKS supports.
 * @param remedy the remedy for a version that EKS no longer supports
 */
function supported(remedy: string) {
  return v.pipe(
    v.string(),
    rule<string>({
      code: "unsupported-version",
      test: (version) => !isEnded(version),
      message: "is a Kubernetes version that EKS no longer supports",
      allowed,
      remedy,
    }),
    rule<string>({
      code: "unsupported-version",
      test: (version) => KUBERNETES_MINORS.includes(version) || isEnded(version),
      message: "is not a supported Kubernetes version",
      allowed,
      jsonSchema: { pattern: `^(${KUBERNETES_MINORS.map((minor) => minor.replace(".", "\\.")).join("|")})$` },
    }),
  );
}

/** Matches the minor version of a new cluster. */
export const newClusterVersion = supported(
  "choose a newer version: EKS does not create clusters with this one",
);

/** Matches the minor version of an existing cluster. After its end of support, EKS upgrades only the control plane. */
export const existingClusterVersion = supported(
  "upgrade the cluster (aws eks update-cluster-version), then set its new version: EKS publishes no node image for this one",
);

const principalArn = pattern(/^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/[!-~]+$/, {
  code: "invalid-principal-arn",
  message: "is not the ARN of an IAM role or user",
  allowed: "arn:<partition>:iam::<account>:role/<name>, not a session of the role (sts assumed-role)",
});

/** Returns the schema of a list with at least one item, for properties where no list means no restriction. */
function notEmpty(item: v.GenericSchema<string>) {
  return v.pipe(
    v.array(item),
    rule<string[]>({
      code: "wrong-length",
      test: (items) => items.length > 0,
      message: "is empty",
      allowed: "at least one item",
      remedy: "add an item, or remove the property",
    }),
  );
}

const accessPolicySchema = shape({
  policy: described(
    pattern(/^(AmazonEKS\w+Policy|arn:aws[a-z-]*:eks::aws:cluster-access-policy\/\w+)$/, {
      code: "invalid-access-policy",
      message: "is not an EKS access policy",
      allowed: "a name such as AmazonEKSClusterAdminPolicy, AmazonEKSViewPolicy, or its ARN",
    }),
    "EKS access policy, by name or ARN.",
  ),
  namespaces: described(
    derived(notEmpty(dnsLabel), "the whole cluster"),
    "Namespaces that the policy is limited to.",
  ),
});

const accessEntrySchema = shape({
  name: described(dnsLabel, "Name of the entry, unique in the cluster. Changing it replaces the entry."),
  principalArn: described(principalArn, "IAM role or user."),
  kubernetesGroups: described(
    v.optional(v.array(v.string()), []),
    "Kubernetes groups of the principal, for RBAC bindings. EKS rejects groups that begin with `system:`.",
  ),
  policies: described(
    v.optional(v.array(accessPolicySchema), []),
    "EKS access policies to associate with the principal.",
  ),
});

/** Default CIDR block of Services in most VPCs, chosen by EKS. */
export const DEFAULT_SERVICE_CIDR = "172.20.0.0/16";

const READ_FROM_AWS = "read from AWS during the plan of Terraform";

/** Describes a new EKS cluster. */
export const clusterSchema = shape({
  name: described(clusterName, "Name of the cluster."),
  version: described(newClusterVersion, "Kubernetes minor version. Must be in quotes in YAML."),
  region: described(region, "AWS region."),
  ipFamily: described(
    v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"),
    "IP family of pods and Services. It cannot be changed later.",
  ),
  serviceIpv4Cidr: described(
    derived(ipv4Cidr(12, 24), `${DEFAULT_SERVICE_CIDR}; with ipv6, EKS assigns a block`),
    "IPv4 CIDR block of Services. Must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.",
  ),
  endpointPrivateAccess: described(
    v.optional(v.boolean(), true),
    "Whether the Kubernetes API is reachable from the VPC.",
  ),
  endpointPublicAccess: described(
    v.optional(v.boolean(), false),
    "Whether the Kubernetes API is reachable from the blocks in publicAccessCidrs.",
  ),
  publicAccessCidrs: described(
    v.optional(v.array(anyCidr), []),
    "CIDR blocks that may reach the Kubernetes API. Requires endpointPublicAccess. 0.0.0.0/0 is the whole internet.",
  ),
  kmsKeyArn: described(
    derived(arn, "a new key, rotated every year"),
    "KMS key that encrypts Kubernetes Secrets.",
  ),
  enabledLogTypes: described(
    v.optional(v.array(v.picklist(["api", "audit", "authenticator", "controllerManager", "scheduler"])), [
      "api",
      "audit",
      "authenticator",
    ]),
    "Control plane logs to send to CloudWatch.",
  ),
  logRetentionDays: described(
    v.optional(v.picklist(RETENTION_DAYS), 90),
    "Retention of the control plane logs, in days. 0: they never expire.",
  ),
  accessEntries: described(
    v.optional(v.array(accessEntrySchema), []),
    "IAM principals with access to the Kubernetes API. Nodes need no entry.",
  ),
  bootstrapClusterCreatorAdminPermissions: described(
    v.optional(v.boolean(), false),
    "Whether the principal that creates the cluster becomes cluster admin, in addition to accessEntries. Changing it replaces the cluster.",
  ),
  addons: addonsSchema,
  deletionProtection: described(
    v.optional(v.boolean(), true),
    "Whether EKS rejects the deletion of the cluster. Set it to false and apply before you destroy the cluster.",
  ),
  supportType: described(
    v.optional(v.picklist(["STANDARD", "EXTENDED"]), "EXTENDED"),
    "Behavior at the end of standard support. EXTENDED: the version is kept, for a higher fee. STANDARD: AWS upgrades the cluster automatically.",
  ),
});

/** Describes an existing EKS cluster. Terraform reads missing attributes from AWS during the plan. */
export const existingClusterSchema = shape({
  name: described(clusterName, "Name of the cluster."),
  version: described(
    existingClusterVersion,
    "Kubernetes minor version, which determines the node images. Must be in quotes in YAML.",
  ),
  region: described(region, "AWS region."),
  ipFamily: described(v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"), "IP family of pods and Services."),
  endpoint: described(
    derived(
      pattern(/^https:\/\/\S+$/, {
        code: "invalid-url",
        message: "is not the URL of a Kubernetes API",
        allowed: "https://...",
      }),
      READ_FROM_AWS,
    ),
    "URL of the Kubernetes API.",
  ),
  certificateAuthority: described(
    derived(
      pattern(/^[A-Za-z0-9+/]{40,}={0,2}$/, {
        code: "invalid-base64",
        message: "is not a base64-encoded certificate",
        allowed: "the unchanged certificateAuthority.data of `aws eks describe-cluster`",
      }),
      READ_FROM_AWS,
    ),
    "Certificate authority of the API server: base64-encoded PEM.",
  ),
  serviceCidr: described(derived(anyCidr, READ_FROM_AWS), "CIDR block of Services."),
  securityGroupId: described(
    derived(securityGroupId, READ_FROM_AWS),
    "Cluster security group that EKS created.",
  ),
  subnetIds: described(
    derived(notEmpty(subnetId), "the subnets of the control plane, read from AWS"),
    "Private subnets of new nodes.",
  ),
});

export interface ClusterSpec extends v.InferInput<typeof clusterSchema> {}
export interface ExistingClusterSpec extends v.InferInput<typeof existingClusterSchema> {}
export type ResolvedCluster = v.InferOutput<typeof clusterSchema>;
export type ResolvedExistingCluster = v.InferOutput<typeof existingClusterSchema>;
export type AccessEntry = v.InferOutput<typeof accessEntrySchema>;

/** Maximum length of `name_prefix` of an IAM role or user: 64 minus the 26 characters that the provider appends. */
const ROLE_PREFIX_MAX = 38;
/** Maximum length of `bucket_prefix`: 63 minus 26. */
const BUCKET_PREFIX_MAX = 37;

/** Returns the prefix of an IAM name: the owner's name, truncated if it is too long, then the purpose. */
export function iamPrefix(owner: string, purpose: string): string {
  return prefixed(owner, purpose, ROLE_PREFIX_MAX);
}

/** Returns the prefix of a bucket name, in the characters that S3 allows. */
export function bucketPrefix(owner: string, purpose: string): string {
  return prefixed(
    isToken(owner) ? owner : owner.toLowerCase().replaceAll("_", "-"),
    purpose,
    BUCKET_PREFIX_MAX,
  );
}

/** Maximum length of the name of an IAM user. */
const USER_MAX = 64;

/** Returns the name of the IAM user of a cluster's checkpoint store. It contains the region, because IAM is global. */
export function storeUserName(clusterName: string, region: string): string {
  const tail = `${region}-checkpoints`;
  return isToken(clusterName) ? tail : `${clusterName.slice(0, USER_MAX - tail.length - 1)}-${tail}`;
}

function prefixed(owner: string, purpose: string, max: number): string {
  // A token must not be truncated, and its final length is unknown.
  if (isToken(purpose)) return isToken(owner) ? "role-" : `${owner.slice(0, max - 1)}-`;
  const tail = `${purpose.slice(0, max - 1)}-`;
  const room = max - tail.length - 1;
  if (isToken(owner) || room < 3) return tail;
  return `${owner.slice(0, room)}-${tail}`;
}
