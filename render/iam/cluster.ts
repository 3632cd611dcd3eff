/** Policies of the cluster's roles and queue for which AWS has no managed policy. */
import type { ServiceAccountSpec } from "../../config/pod-identity";

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

/**
 * Returns the trust policy of the control plane's role: only this cluster of this account may use it
 * (https://docs.aws.amazon.com/eks/latest/userguide/cross-service-confused-deputy-prevention.html).
 */
export function clusterTrust({
  partition,
  region,
  account,
  clusterName,
}: Readonly<Record<"partition" | "region" | "account" | "clusterName", string>>): object {
  return trustOf("eks.amazonaws.com", {
    StringEquals: { "aws:SourceAccount": account },
    ArnEquals: { "aws:SourceArn": `arn:${partition}:eks:${region}:${account}:cluster/${clusterName}` },
  });
}

/**
 * Returns the trust policy of a role for EKS Pod Identity. EKS sets the session tags, so the conditions also hold if the role
 * is associated with another ServiceAccount or cluster by mistake. EKS sends the account as well; with a condition on
 * `aws:SourceArn`, pods got no credentials (awslabs/mountpoint-s3-csi-driver#781).
 */
export function podIdentityTrust(clusterName: string, subject: ServiceAccountSpec, account: string): object {
  return trustOf("pods.eks.amazonaws.com", {
    StringEquals: {
      "aws:SourceAccount": account,
      "aws:RequestTag/eks-cluster-name": clusterName,
      "aws:RequestTag/kubernetes-namespace": subject.namespace,
      "aws:RequestTag/kubernetes-service-account": subject.serviceAccount,
    },
  });
}

/** Returns a trust policy: EKS may assume the role under a condition, and tag the session. */
function trustOf(service: string, condition: object): object {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: service },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: condition,
      },
    ],
  };
}

/** EventBridge patterns of EC2's interruption events, by the name of their rule. */
export const INTERRUPTION_EVENTS = {
  "health-event": { source: ["aws.health"], "detail-type": ["AWS Health Event"] },
  "spot-interruption": { source: ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"] },
  "rebalance-recommendation": {
    source: ["aws.ec2"],
    "detail-type": ["EC2 Instance Rebalance Recommendation"],
  },
  "instance-state-change": {
    source: ["aws.ec2"],
    "detail-type": ["EC2 Instance State-change Notification"],
  },
  "capacity-reservation-interruption": {
    source: ["aws.ec2"],
    "detail-type": ["EC2 Capacity Reservation Instance Interruption Warning"],
  },
} as const;

/** Returns the queue policy: only these rules may send, and only with TLS. */
export function interruptionQueueStatements(queueArn: string, ruleArns: readonly string[]): object[] {
  return [
    {
      Sid: "Rules",
      Effect: "Allow",
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: queueArn,
      Condition: { ArnEquals: { "aws:SourceArn": ruleArns } },
    },
    {
      Sid: "TlsOnly",
      Effect: "Deny",
      Principal: "*",
      Action: "sqs:*",
      Resource: queueArn,
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ];
}
