import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { App } from "cdk8s";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "../../../manifests";
import { CedanaChart } from "../../../stacks/kubernetes";

/** Texts that readers of YAML or templates trip over; Go's YAML reader must give them back. */
const TRAPS = [
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

/** Kustomize reads these, too, but cannot read what it writes of them. */
export const MORE_TRAPS = ["\u007f", "a\u0085b\n\u2028c"];

/** The default install, and an object with everything that is hard to write. */
export function manifests(moreTraps: readonly string[] = []): KubernetesObject[] {
  const chart = new CedanaChart(new App(), "cedana", {
    engine: {
      kind: "cedana",
      clusterId: "5f0c4a1e-8a52-4c38-9d3a-0d8b1e7f6a90",
      url: "https://sandbox.cedana.ai",
    },
  });
  const trap: KubernetesObject = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "traps",
      namespace: "cedana-system",
      annotations: { "on/y": "{{ off }}", "a.b/c": "1e3" },
    },
    data: Object.fromEntries([...TRAPS, ...moreTraps].map((text, index) => [`${index}`, text])),
  };
  return [...(chart.toJson() as KubernetesObject[]), trap];
}

export function writeFiles(dir: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

/** Objects of a stream, in an order of their own; without what a program added on its own account. */
export function comparable(objects: readonly unknown[]): KubernetesObject[] {
  const key = ({ kind, metadata }: KubernetesObject): string =>
    `${kind} ${metadata.namespace ?? ""} ${metadata.name}`;
  return (objects as KubernetesObject[]).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function parseStream(text: string): KubernetesObject[] {
  return comparable(parseAllDocuments(text).flatMap((document) => (document.toJS() as unknown) ?? []));
}
