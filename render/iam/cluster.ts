/** Permissions of the cluster's own roles that AWS has no managed policy for. */

/** Returns the statement that lets the control plane use the key of Kubernetes Secrets. */
export function secretsKeyStatement(keyArn: string): object {
  return {
    Effect: "Allow",
    Action: ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "kms:ListGrants"],
    Resource: keyArn,
  };
}

/** Returns the statements for IPv6 prefixes of the VPC CNI. AWS documents this policy but has no managed one. */
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
