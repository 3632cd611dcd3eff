import type { ClusterOptions } from "./cluster";

/** Platform file that commands read when neither `--file` nor CEDANA_YAML is given. */
export const DEFAULT_FILE = "cedana.yaml";

/** Quotes an argument for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Returns a command of this program that reads the same platform file, also in a shell without CEDANA_YAML. */
export function cedanaCdk(command: string, file: string): string {
  const isDefault = file === DEFAULT_FILE && (process.env["CEDANA_YAML"] ?? file) === file;
  return `npx cedana-cdk ${command}${isDefault ? "" : ` -f ${shellWord(file)}`}`;
}

/** Returns kubectl with the flags that choose the same cluster. */
export function kubectl({ kubeconfig, context }: ClusterOptions): string {
  const flags = Object.entries({ kubeconfig, context });
  return [
    "kubectl",
    ...flags.flatMap(([name, value]) => (value ? [`--${name} ${shellWord(value)}`] : [])),
  ].join(" ");
}
