/** Readers of files that a user writes: cedana.yaml, settings of programs, kubeconfig, the record of managed files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { parse, stringify } from "yaml";
import { connect } from "../../../cli/cluster";
import { CommandError } from "../../../cli/errors";
import { readAgentSettings } from "../../../config/programs/agent";
import { readControllerSettings } from "../../../config/programs/controller";
import { formatLocated, readPlatform } from "../../../config/platform/file";
import { parseDuration, parseQuantity, quantityBytes } from "../../../config/schema/quantity";
import type { Json } from "../../../http";
import { readRecord } from "../../../manifests/output/record";
import { OutputError, RECORD } from "../../../manifests/output/paths";
import { mutatedJson, mutatedText, pumped } from "../generate";
import { attempt, attemptAsync, must, target } from "../target";

// Bundled and run by jest: both run from the root of the repository.
const EXAMPLE = readFileSync("cedana.yaml", "utf8");
const OTHERS = ["docs/try-it/cedana.yaml", "examples/gitops/argocd/cedana.yaml"].map((file) =>
  readFileSync(file, "utf8"),
);
/** Areas that the example does not have. */
const MORE = `version: 1
existingCluster: { name: demo, version: "1.34", region: eu-west-1 }
nodeGroups:
  - name: gpu
    instanceTypes: [g6.2xlarge]
    scaling: { min: 0, max: 4 }
    labels: { team: a }
    taints: [{ key: nvidia.com/gpu, value: "true", effect: NoSchedule }]
    kubelet: { maxPods: 50, kubeReserved: { memory: 1Gi }, evictionHard: { memory.available: "5%" } }
    containerd: "version = 3\\n[plugins.'io.containerd.cri.v1.images']\\ndiscard_unpacked_layers = false\\n"
    sysctls: { vm.max_map_count: "262144" }
    preNodeadm: ["#!/bin/bash\\necho $\{x}"]
karpenter:
  nodePools:
    - name: spot
      requirements: [{ key: karpenter.sh/capacity-type, operator: In, values: [spot] }]
      disruption: { budgets: [{ nodes: "10%", duration: 1h30m, schedule: "0 9 * * *" }] }
storage: { bucket: demo, writers: [{ namespace: a, serviceAccount: b }] }
engine: { kind: cedana, clusterId: 0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10, url: https://sandbox.cedana.ai, checkpointDir: s3://demo/x }
install: { kueue: { localQueues: [{ namespace: default }] }, readinessGate: { failOpenAfterSeconds: 600 } }
`;
/** Aliases that expand to a thousand million values. */
const LAUGHS = `a0: &a0 [x]\n${Array.from({ length: 9 }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(10)}]\n`).join("")}`;
const TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const SECRET = `${EXAMPLE}\nterraform: { tags: { token: ${TOKEN} } }\n`;
const YAML = [
  "&a ",
  "*a",
  "<<: ",
  "!!binary ",
  "? ",
  "- ",
  "{",
  "[",
  ": ",
  "|\n",
  "---\n",
  "\t",
  "'",
  "%{",
  "${",
  "[".repeat(5_000),
  "{a: ".repeat(5_000),
  "- ".repeat(5_000),
];

const platforms = target({
  name: "cedana-yaml",
  reads: "cedana.yaml",
  inputs: fc.oneof(
    { arbitrary: mutatedText([EXAMPLE, SECRET, MORE, LAUGHS, ...OTHERS, "version: 1\n"], YAML), weight: 20 },
    {
      arbitrary: mutatedJson(
        [EXAMPLE, MORE, ...OTHERS].map((text) => parse(text) as Json),
        ["version", "cluster", "kind", "criu"],
      ).map((value) => stringify(value)),
      weight: 20,
    },
    {
      arbitrary: pumped(
        ["-eyJ", "a: &a [*a]\n", "- ", "{", "sk-", "-----BEGIN ", "://", "a:\n", "'", "# "],
        131_072,
      ),
      weight: 1,
    },
  ),
  runs: 150,
  check(text) {
    const file = readPlatform(text);
    const { problems = [] } = file;
    const platform = "platform" in file ? file.platform : undefined;
    must(platform !== undefined || problems.length > 0, "neither a platform nor a problem");
    const lines = text.split("\n").length;
    for (const problem of problems) {
      must(problem.line >= 1 && problem.line <= lines, `line ${problem.line} of ${lines}`);
      must(problem.column >= 1, `column ${problem.column}`);
      must(!formatLocated("cedana.yaml", problem).includes(TOKEN), "a problem repeats a secret");
    }
    if (platform === undefined) return;
    must(!JSON.stringify(platform).includes(TOKEN), "a platform with a secret in plain text");
    const again = readPlatform(stringify(parse(text)));
    must("platform" in again, "not a platform once it is printed");
    must(JSON.stringify(again.platform) === JSON.stringify(platform), "another platform once it is printed");
  },
});

const settings = target({
  name: "program-settings",
  reads: "settings of controller and agents",
  inputs: fc.oneof(
    {
      arbitrary: mutatedText([EXAMPLE, LAUGHS, "version: 1\nhealth: {}\n", "gate: {}\nrestore: {}\n"], YAML),
      weight: 9,
    },
    { arbitrary: pumped(["a: &a [*a]\n", "- ", "{", "- &a *a\n"], 32_768), weight: 1 },
  ),
  runs: 200,
  check(text) {
    for (const read of [readAgentSettings, readControllerSettings]) {
      const { problems, value } = read(text) as {
        problems?: readonly { message: string }[];
        value?: unknown;
      };
      must(value !== undefined || (problems?.length ?? 0) > 0, "neither settings nor a problem");
      must(problems?.every(({ message }) => message.length < 2_000) ?? true, "a problem repeats the file");
    }
  },
});

const USER_TOKEN = "secret-token-of-the-user";
const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: a
contexts: [{ name: a, context: { cluster: a, user: a, namespace: x } }]
clusters: [{ name: a, cluster: { server: https://127.0.0.1:1, certificate-authority-data: QUJD } }]
users: [{ name: a, user: { token: ${USER_TOKEN} } }]
`;
const directory = () => mkdtempSync(join(tmpdir(), "fuzz-"));

const kubeconfigs = target({
  name: "kubeconfig",
  reads: "kubeconfig of the CLI; no request is sent, and no credential program is run",
  inputs: fc.oneof(
    {
      arbitrary: mutatedText([KUBECONFIG], [...YAML, "exec:", "users:", "null", "cluster:", "proxy-url: "]),
      weight: 4,
    },
    {
      arbitrary: mutatedJson(
        [parse(KUBECONFIG) as Json],
        ["clusters", "users", "contexts", "server", "name"],
      ).map((value) => stringify(value)),
      weight: 4,
    },
  ),
  runs: 500,
  async check(text) {
    const where = directory();
    try {
      const file = join(where, "config");
      writeFileSync(file, text);
      const { value, error } = await attemptAsync(() => connect({ kubeconfig: file }), CommandError);
      must(value !== undefined || error !== undefined, "neither a client nor an error");
      if (error === undefined) return;
      // A change can have copied it to a name, which an error shows.
      const isToken = !text.replaceAll(`token: ${USER_TOKEN}`, "").includes(USER_TOKEN);
      must(!(isToken && error.message.includes(USER_TOKEN)), "the error has the token");
      must(error.message.length < 1_000, "the error repeats the file");
    } finally {
      rmSync(where, { recursive: true });
    }
  },
});

const HASH = "0a".repeat(32);
const records = target({
  name: "output-record",
  reads: "the record of managed files in the output directory, whose paths are deleted",
  inputs: mutatedText(
    [
      `# Written by cedana-cdk. It replaces the files below.\n${HASH}  kubernetes/a.yaml\n${HASH}  terraform/cdk.tf.json\n`,
    ],
    [
      "../",
      "/etc/passwd",
      `${HASH}  ..\n`,
      "\0",
      "\r\n",
      "./",
      "//",
      "~",
      `${HASH}  a/../../b\n`,
      ".git/config",
    ],
  ),
  runs: 2_000,
  check(text) {
    const where = directory();
    try {
      mkdirSync(where, { recursive: true });
      writeFileSync(join(where, RECORD), text);
      const { value } = attempt(() => readRecord(where), OutputError);
      for (const path of value?.files.keys() ?? []) {
        const full = join(where, path);
        must(
          full.startsWith(`${where}/`) && !path.startsWith("/"),
          `a path outside of the directory: ${path}`,
        );
        must(!/\p{Cc}/u.test(path), `a path with control characters: ${JSON.stringify(path)}`);
        must(
          !path.split("/").some((part) => part === ".." || part === "." || part === ""),
          `not a plain path: ${path}`,
        );
      }
    } finally {
      rmSync(where, { recursive: true });
    }
  },
});

const QUANTITIES = [
  "100Mi",
  "1e3",
  "500m",
  "1.5Gi",
  "+.5",
  "9223372036854775807",
  "1h30m",
  "90s",
  "1n",
  "1E-9",
];
const quantities = target({
  name: "quantity",
  reads: "quantities and durations of cedana.yaml and of nodes",
  inputs: fc.oneof(
    {
      arbitrary: mutatedText(QUANTITIES, ["Ki", "E", "e", "-", "+", ".", "999", "h", "e999", "e-999"]),
      weight: 9,
    },
    { arbitrary: pumped(["9", "1h", "0", ".", "e9", "+"], 16_384), weight: 1 },
  ),
  runs: 10_000,
  check(text) {
    const value = parseQuantity(text);
    if (value !== undefined) {
      must(/^[+-]?[\d.]/.test(text), "a quantity without a number");
      const digits = (value < 0n ? -value : value).toString();
      // 10^-9 units, an exponent of three digits, 1024^6.
      must(
        digits.length <= text.length + 9 + 999 + 19,
        `${digits.length} digits from ${text.length} characters`,
      );
      // The number of bytes is exact, or there is none.
      const { value: bytes } = attempt(() => quantityBytes(text), RangeError);
      if (bytes !== undefined) {
        const rest = (value < 0n ? -1n : 1n) * (BigInt(bytes) * 1_000_000_000n - value);
        must(rest >= 0n && rest < 1_000_000_000n, `${bytes} bytes`);
      }
    }
    const seconds = parseDuration(text);
    if (seconds !== undefined) must(Number.isSafeInteger(seconds) && seconds >= 0, `${seconds} s`);
  },
});

export const PLATFORM_TARGETS = [platforms, settings, kubeconfigs, records, quantities];
