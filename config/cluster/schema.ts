import * as v from "valibot";
import { anyCidr, ipv4Cidr, securityGroupId, subnetId } from "../network";
import { arn, clusterName, described, dnsLabel, pattern, region, rule, shape } from "../schema";
import { addonsSchema } from "./addons";
import { RETENTION_DAYS } from "./log-retention";
import { existingClusterVersion, newClusterVersion } from "./version";

const principalArn = pattern(/^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/[!-~]+$/, {
  code: "not-a-principal",
  message: "is not the ARN of an IAM role or user",
  allowed:
    "arn:<partition>:iam::<account>:role/<name>; the role itself, not a session of it (sts assumed-role)",
});

/** A list that says nothing is a mistake where leaving it out means everything. */
function notEmpty(item: v.GenericSchema<string>) {
  return v.pipe(
    v.array(item),
    rule<string[]>({
      code: "too-few",
      test: (items) => items.length > 0,
      message: "is an empty list",
      allowed: "at least one, or left out",
    }),
  );
}

const accessPolicySchema = shape({
  policy: described(
    pattern(/^(AmazonEKS\w+Policy|arn:aws[a-z-]*:eks::aws:cluster-access-policy\/\w+)$/, {
      code: "not-an-access-policy",
      message: "is not an EKS access policy",
      allowed: "a name such as AmazonEKSClusterAdminPolicy, AmazonEKSViewPolicy, or its ARN",
    }),
    "EKS access policy, by name or ARN.",
  ),
  namespaces: described(
    v.optional(notEmpty(dnsLabel)),
    "Namespaces that the policy is limited to. Left out: the whole cluster.",
  ),
});

const accessEntrySchema = shape({
  name: described(dnsLabel, "Name of the entry among the others. Changing it replaces the entry."),
  principalArn: described(principalArn, "IAM role or user."),
  kubernetesGroups: described(
    v.optional(v.array(v.string()), []),
    "Kubernetes groups that RBAC may name. `system:` groups are refused by EKS.",
  ),
  policies: described(v.optional(v.array(accessPolicySchema), []), "EKS access policies of the principal."),
});

/** An EKS cluster to make. */
export const clusterSchema = shape({
  name: described(clusterName, "Name of the cluster."),
  version: described(newClusterVersion, "Kubernetes minor version, in quotes."),
  region: described(region, "AWS region."),
  ipFamily: described(
    v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"),
    "Family of pod and Service addresses. Fixed when the cluster is made.",
  ),
  serviceIpv4Cidr: described(
    v.optional(ipv4Cidr(12, 24)),
    "IPv4 block of Services, inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16. 172.20.0.0/16 if left out; with ipv6 EKS assigns a block.",
  ),
  endpointPrivateAccess: described(
    v.optional(v.boolean(), true),
    "Whether the Kubernetes API can be reached from inside the VPC.",
  ),
  endpointPublicAccess: described(
    v.optional(v.boolean(), false),
    "Whether the Kubernetes API can be reached from publicAccessCidrs.",
  ),
  publicAccessCidrs: described(
    v.optional(v.array(anyCidr), []),
    "From where, with endpointPublicAccess. The whole internet must be written out: 0.0.0.0/0.",
  ),
  kmsKeyArn: described(
    v.optional(arn),
    "KMS key of Kubernetes Secrets. Left out, one is made, rotated every year.",
  ),
  enabledLogTypes: described(
    v.optional(v.array(v.picklist(["api", "audit", "authenticator", "controllerManager", "scheduler"])), [
      "api",
      "audit",
      "authenticator",
    ]),
    "Logs of the control plane that go to CloudWatch.",
  ),
  logRetentionDays: described(
    v.optional(v.picklist(RETENTION_DAYS), 90),
    "After how many days they are deleted. 0: never.",
  ),
  accessEntries: described(
    v.optional(v.array(accessEntrySchema), []),
    "IAM principals that may use the Kubernetes API. Nodes need none here.",
  ),
  bootstrapClusterCreatorAdminPermissions: described(
    v.optional(v.boolean(), false),
    "Whether whoever runs Terraform first becomes cluster admin, outside of accessEntries. Changing it replaces the cluster.",
  ),
  addons: addonsSchema,
  deletionProtection: described(
    v.optional(v.boolean(), true),
    "Whether EKS refuses to delete the cluster. To destroy it, first apply with false.",
  ),
  supportType: described(
    v.optional(v.picklist(["STANDARD", "EXTENDED"]), "EXTENDED"),
    "What happens at the end of standard support: EXTENDED keeps the version, for a higher fee; STANDARD lets AWS upgrade the cluster by itself.",
  ),
});

/** A cluster that exists already. What is left out is read from AWS when Terraform plans. */
export const existingClusterSchema = shape({
  name: described(clusterName, "Name of the cluster."),
  version: described(
    existingClusterVersion,
    "Kubernetes minor version, in quotes. Decides which node images fit.",
  ),
  region: described(region, "AWS region."),
  ipFamily: described(
    v.optional(v.picklist(["ipv4", "ipv6"]), "ipv4"),
    "Family of pod and Service addresses.",
  ),
  endpoint: described(
    v.optional(
      pattern(/^https:\/\/\S+$/, {
        code: "not-a-url",
        message: "is not the URL of a Kubernetes API",
        allowed: "https://...",
      }),
    ),
    "URL of the Kubernetes API.",
  ),
  certificateAuthority: described(
    v.optional(
      pattern(/^[A-Za-z0-9+/]{40,}={0,2}$/, {
        code: "not-base64",
        message: "is not a certificate in base64",
        allowed: "certificateAuthority.data of `aws eks describe-cluster`, as it is",
      }),
    ),
    "Certificate authority of the API server, PEM in base64.",
  ),
  serviceCidr: described(v.optional(anyCidr), "CIDR block of Services."),
  securityGroupId: described(v.optional(securityGroupId), "Cluster security group, the one EKS made."),
  subnetIds: described(
    v.optional(notEmpty(subnetId)),
    "Private subnets of new nodes. Left out: the subnets of the control plane.",
  ),
});

export interface ClusterSpec extends v.InferInput<typeof clusterSchema> {}
export interface ExistingClusterSpec extends v.InferInput<typeof existingClusterSchema> {}
export type ResolvedCluster = v.InferOutput<typeof clusterSchema>;
export type ResolvedExistingCluster = v.InferOutput<typeof existingClusterSchema>;
export type AccessEntry = v.InferOutput<typeof accessEntrySchema>;
