/** Permissions of the cluster's own roles that AWS has no managed policy for. */

/** What the control plane does with the key of Kubernetes Secrets. */
export function secretsKeyStatement(keyArn: string): object {
  return {
    Effect: "Allow",
    Action: ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "kms:ListGrants"],
    Resource: keyArn,
  };
}

/** What the VPC CNI does with IPv6 prefixes (AWS documents this policy but does not offer it as a managed one). */
export function cniIpv6Statements(partition: string): object[] {
  return [
    {
      Effect: "Allow",
      Action: [
        "ec2:AssignIpv6Addresses",
        "ec2:DescribeInstances",
        "ec2:DescribeTags",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeInstanceTypes",
      ],
      Resource: "*",
    },
    {
      Effect: "Allow",
      Action: "ec2:CreateTags",
      Resource: `arn:${partition}:ec2:*:*:network-interface/*`,
    },
  ];
}
