import { Fn } from "cdktf";

const TOKEN = /(\$\{TfToken\[[^\]]+\]\})/;

/**
 * User data as a launch template wants it: base64. Text that holds Terraform references is put together by Terraform,
 * the rest of it from base64, so that a `${...}` of a shell script is never taken for Terraform's.
 */
export function encodeUserData(text: string): string {
  const pieces = text.split(TOKEN);
  if (pieces.length === 1) return Buffer.from(text).toString("base64");
  const parts = pieces
    .filter((piece) => piece !== "")
    .map((piece) => (TOKEN.test(piece) ? piece : Fn.base64decode(Buffer.from(piece).toString("base64"))));
  return Fn.base64encode(Fn.join("", parts));
}
