/** Resource types that must not be in a Terraform state, which a whole team can read. */
const SECRET_TYPES = [
  "aws_iam_access_key",
  "aws_secretsmanager_secret_version",
  "random_password",
  "tls_private_key",
];

const SECRET_TEXT =
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bey[A-Za-z0-9_-]{20,}\.ey[A-Za-z0-9_-]{20,}\./;

const SECRET_NAME = /(^|_)(password|secret_string|secret_access_key|secret_key|private_key|token)$/;

/** Returns the paths of a JSON document's values that look like secrets. */
export function findSecrets(value: unknown, path = "$"): string[] {
  if (typeof value === "string") {
    const decoded = /^[A-Za-z0-9+/]{40,}={0,2}$/.test(value) ? Buffer.from(value, "base64").toString() : "";
    return SECRET_TEXT.test(value) || SECRET_TEXT.test(decoded) ? [path] : [];
  }
  if (Array.isArray(value)) return value.flatMap((item, index) => findSecrets(item, `${path}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = `${path}.${key}`;
    const named = SECRET_NAME.test(key) && typeof item === "string" && item !== "";
    const typed = key === "type" && SECRET_TYPES.includes(String(item));
    return [...(named || typed ? [at] : []), ...findSecrets(item, at)];
  });
}
