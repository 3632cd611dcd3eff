/** Returns a text as YAML: plain if YAML reads it back as the same text, otherwise quoted. */
export function yamlText(value: string): string {
  return /^[A-Za-z][\w-]*$/.test(value) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
