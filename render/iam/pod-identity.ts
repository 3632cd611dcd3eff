import type { ServiceAccountSpec } from "../../config/pod-identity";

/**
 * Returns the trust policy of a role for EKS Pod Identity. EKS sets the session tags, so the conditions also hold if the role
 * is associated with another ServiceAccount or cluster by mistake.
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
