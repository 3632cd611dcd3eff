/**
 * Capabilities that a container may add under the profile `baseline` of the Pod Security Standards:
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
 */
export const BASELINE_CAPABILITIES = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
] as const;

/** Prefix of annotations that set the AppArmor profile of a container, for API servers before 1.30. */
export const APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/";
