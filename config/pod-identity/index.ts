/** AWS permissions of Kubernetes ServiceAccounts by EKS Pod Identity. */
export { serviceAccounts, serviceAccountSchema, type ServiceAccountSpec } from "./schema";
