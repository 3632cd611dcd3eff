import { readFile } from "node:fs/promises";

/** Who the pod is to AWS by EKS Pod Identity, as that puts it into the pod; undefined if it is nobody. */
export async function identity() {
  const uri = process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const file = process.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  if (uri === undefined || file === undefined) return undefined;
  return { uri, token: await readFile(file, "utf8") };
}
