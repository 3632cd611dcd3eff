import type { ServiceAccountSpec } from "../../config/pod-identity";

/**
 * Trust policy of a role for EKS Pod Identity. The session tags are set by EKS, so the conditions hold even if someone
 * associates the role with another ServiceAccount or cluster by mistake.
 */
export function podIdentityTrust(clusterName: string, subject: ServiceAccountSpec): object {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "pods.eks.amazonaws.com" },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {
          StringEquals: {
            "aws:RequestTag/eks-cluster-name": clusterName,
            "aws:RequestTag/kubernetes-namespace": subject.namespace,
            "aws:RequestTag/kubernetes-service-account": subject.serviceAccount,
          },
        },
      },
    ],
  };
}
