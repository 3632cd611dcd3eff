import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { App } from "cdk8s";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "../../../manifests";
import { CedanaChart } from "../../../stacks/kubernetes";

/** Strings that YAML parsers or templates often misread. Go's YAML parser must return them unchanged. */
const HARD_STRINGS = [
  "{{ .Values.x }}",
  "{{- end }}",
  '{{"{{"}}',
  "{{{",
  "}}",
  "a\n{{ x }}\n  b\n",
  "a: b # c",
  ..."y n yes No on OFF true null ~ 010 0o17 0x1F 1_000 1e3 1:30 .5 e8 .inf .nan 2001-01-01 1.2.3 = << - --- -a --b".split(
    " ",
  ),
  "",
  " a",
  "a ",
  "\ta",
  "a\tb",
  "a\n",
  "a\n\n",
  "\na",
  "a\n  b\n\n  \nc",
  "a\r\nb",
  "\ufeffa",
  "\u00a0é日本\u{1f600}",
  "\u0001",
  "%YAML 1.2\n---\n",
  "x".repeat(3000),
];

/** Strings that Kustomize reads, but cannot read again from its own output. */
export const KUSTOMIZE_UNSAFE_STRINGS = ["\u007f", "a\u0085b\n\u2028c"];

/** Returns the default install, and a ConfigMap with the strings above. */
export function manifests(moreStrings: readonly string[] = []): KubernetesObject[] {
  const chart = new CedanaChart(new App(), "cedana", {
    engine: {
      kind: "cedana",
      clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
      url: "https://sandbox.cedana.ai",
    },
  });
  const configMap: KubernetesObject = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "strings",
      namespace: "cedana-system",
      annotations: { "on/y": "{{ off }}", "a.b/c": "1e3" },
    },
    data: Object.fromEntries([...HARD_STRINGS, ...moreStrings].map((text, index) => [`${index}`, text])),
  };
  return [...(chart.toJson() as KubernetesObject[]), configMap];
}

export function writeFiles(dir: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

/** Sorts objects by kind, namespace and name. */
export function comparable(objects: readonly unknown[]): KubernetesObject[] {
  const key = ({ kind, metadata }: KubernetesObject): string =>
    `${kind} ${metadata.namespace ?? ""} ${metadata.name}`;
  return (objects as KubernetesObject[]).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function parseStream(text: string): KubernetesObject[] {
  return comparable(parseAllDocuments(text).flatMap((document) => (document.toJS() as unknown) ?? []));
}
