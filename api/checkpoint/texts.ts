/** A pod has few containers; the bound keeps what the API server may have to compute small. */
export const CONTAINERS = 64;

/** A string of at least one character. */
export const text = (description: string, maxLength: number, more: object = {}) => ({
  type: "string",
  description,
  minLength: 1,
  maxLength,
  ...more,
});

/** Containers are named as DNS labels. */
export const containerName = (description: string) =>
  text(description, 63, { pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" });

/** Pods are named as DNS subdomains. */
export const podName = (description: string) =>
  text(description, 253, { pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$" });

/** Mirror pods have UIDs that are no UUIDs, hence no pattern. */
export const uid = (description: string) => text(description, 128);

/** RFC 3339. */
export const time = (description: string) => ({ type: "string", format: "date-time", description });

/** A whole number from 0 on. */
export const count = (description: string) => ({
  type: "integer",
  format: "int64",
  minimum: 0,
  description,
});
