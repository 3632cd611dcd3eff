/** What secrets look like, wherever they stand. Published forms of their issuers. */

/** Each expression is global; use matchAll or replaceAll, which keep no state between calls. */
export const SECRET_SHAPES: readonly (readonly [what: string, shape: RegExp])[] = [
  ["an AWS access key id", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g],
  ["a GitHub token", /\b(?:gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_\w{22,})/g],
  ["a GitLab token", /\bglpat-[\w-]{20,}/g],
  ["a Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g],
  ["a Hugging Face token", /\bhf_[A-Za-z0-9]{30,}/g],
  ["a secret API key", /\bsk[-_](?:live[-_]|test[-_]|ant[-_]|proj[-_])?[A-Za-z0-9_-]{24,}/g],
  ["a JSON Web Token", /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g],
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?/g],
  ["a password in a URL", /(?<=:\/\/[^\s/:@"']{0,64}:)[^\s/:@"']+(?=@)/g],
];

/** The text with `[secret]` in place of everything in it that has the shape of one. */
export function maskSecrets(text: string): string {
  return SECRET_SHAPES.reduce((masked, [, shape]) => masked.replaceAll(shape, "[secret]"), text);
}
