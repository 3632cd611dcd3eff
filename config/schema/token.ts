/**
 * Values that are known only when Terraform runs. cdktf hands them around as ordinary strings, numbers and lists that
 * carry a marker, so core can recognise them without importing cdktf. A check that reads such a value must pass it.
 */

const STRING_TOKEN = /\$\{TfToken\[|#\{TfToken\[/;
/** cdktf encodes number tokens as huge negative doubles; no quantity in this project comes near. */
const NUMBER_TOKEN_CEILING = -1e280;

/** True if the value, or any part of it, is resolved only by Terraform. */
export function isToken(value: unknown): boolean {
  if (typeof value === "string") return STRING_TOKEN.test(value);
  if (typeof value === "number") return value < NUMBER_TOKEN_CEILING;
  if (Array.isArray(value)) return value.length === 1 && isToken(value[0]);
  return false;
}
