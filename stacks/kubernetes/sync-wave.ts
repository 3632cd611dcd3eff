const WAVES: Readonly<Record<string, number>> = {
  Namespace: -3,
  CustomResourceDefinition: -3,
  ServiceAccount: -2,
  ConfigMap: -2,
  ClusterRole: -2,
  Role: -2,
  RuntimeClass: -2,
  NetworkPolicy: -2,
  ValidatingAdmissionPolicy: -2,
  ClusterRoleBinding: -1,
  RoleBinding: -1,
  ValidatingAdmissionPolicyBinding: -1,
  // Once there is who answers.
  MutatingWebhookConfiguration: 1,
  ResourceFlavor: -1,
};

/**
 * When Argo CD applies objects of a kind: what others stand on first, programs in wave 0. Argo CD waits for each wave
 * to be healthy.
 */
export function syncWave(kind: string): number {
  return WAVES[kind] ?? 0;
}
