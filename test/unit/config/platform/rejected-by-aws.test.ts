import { INIT_DEFAULTS, initFile } from "../../../../cli/init-file";
import { formatLocated, readPlatform } from "../../../../config/platform/file";

const DEFAULT = initFile({ ...INIT_DEFAULTS, engine: "cedana" });
const ADMIN = "arn:aws:iam::123456789012:role/platform-admins";
const TYPES = "instanceTypes: [m7i.2xlarge, m7i-flex.2xlarge]";
const POLICY = "- policy: AmazonEKSClusterAdminPolicy";
const DIRECTORY = "checkpointDir: s3://cedana-checkpoints-123456789012/checkpoints";

/** Returns the problems of the default file after a replacement, one line each. */
function problemsOf(from: string, to: string): string[] {
  if (!DEFAULT.includes(from)) throw new Error(`the default cedana.yaml has no ${from}`);
  const { problems = [] } = readPlatform(DEFAULT.replace(from, to));
  return problems.map((problem) => formatLocated("cedana.yaml", problem));
}

test.each([
  ["a session of a role", ADMIN, "arn:aws:sts::123456789012:assumed-role/admins/me", "principalArn  is not"],
  ["another service's ARN", ADMIN, "arn:aws:s3:::bucket", "principalArn  is not"],
  ["a blank in an ARN", ADMIN, '"arn:aws:iam::123456789012:role/a b"', "principalArn  is not"],
  [
    "an access policy twice",
    POLICY,
    `${POLICY}\n        ${POLICY}`,
    "policies[1].policy  is already associated with this principal",
  ],
  [
    "the same access policy by its ARN",
    POLICY,
    `${POLICY}\n        - policy: arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`,
    "policies[1].policy  is already associated with this principal",
  ],
  [
    "private addresses as public ones",
    "  # The API",
    "  endpointPublicAccess: true\n  publicAccessCidrs: [203.0.113.0/24, 10.0.0.0/8]\n  # The API",
    "publicAccessCidrs[1]  is",
  ],
  [
    "an instance type twice",
    TYPES,
    "instanceTypes: [m7i.large, m7i.large]",
    "instanceTypes[1]  is already in the list",
  ],
  ["a security group by name", TYPES, `${TYPES}\n    securityGroupIds: [web]`, "securityGroupIds[0]  is not"],
  ["a VPC on loopback addresses", "cidr: 10.0.0.0/16", "cidr: 127.0.0.0/16", "network.cidr  is"],
  ["a VPC on link-local addresses", "cidr: 10.0.0.0/16", "cidr: 169.254.0.0/16", "network.cidr  is"],
  [
    "a reserved end of a bucket's name",
    "bucket: cedana-checkpoints-123456789012",
    "bucket: a-s3alias",
    "bucket  is",
  ],
  [
    "a storage location with http",
    DIRECTORY,
    "checkpointDir: http://bucket/checkpoints",
    "checkpointDir  is",
  ],
  ["a storage location of another cloud", DIRECTORY, "checkpointDir: azblob://bucket/x", "checkpointDir  is"],
  [
    "a secret key within a script",
    TYPES,
    `${TYPES}\n    preNodeadm: ["#!/bin/sh\\nexport KEY=ghp_0123456789abcdefghijABCDEFGHIJ012345"]`,
    "preNodeadm[0]  looks like a GitHub token",
  ],
])("rejects %s and reports its position", (_, from, to, expected) => {
  expect(problemsOf(from, to).join("\n")).toContain(expected);
});

test("names the keys of the possible mappings for an invalid value", () => {
  expect(problemsOf("{ min: 2, max: 10 }", "{ min: 2, max: 10, desired: 3 }").join("\n")).toContain(
    "a mapping with initial or a mapping with managed",
  );
});
