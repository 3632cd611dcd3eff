/** Returns a string as a YAML scalar: plain if it parses to the same string, otherwise quoted. */
export function yamlText(value: string): string {
  return /^[A-Za-z][\w-]*$/.test(value) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
