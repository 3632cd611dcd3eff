import { Fn } from "cdktf";

const TOKEN = /(\$\{TfToken\[[^\]]+\]\})/;

/**
 * Returns user data in base64, as launch templates require. Terraform joins text that contains Terraform references; the
 * other text is passed as base64, so that `${...}` in a shell script is never read as a Terraform expression.
 */
export function encodeUserData(text: string): string {
  const pieces = text.split(TOKEN);
  if (pieces.length === 1) return Buffer.from(text).toString("base64");
  const parts = pieces
    .filter((piece) => piece !== "")
    .map((piece) => (TOKEN.test(piece) ? piece : Fn.base64decode(Buffer.from(piece).toString("base64"))));
  return Fn.base64encode(Fn.join("", parts));
}
