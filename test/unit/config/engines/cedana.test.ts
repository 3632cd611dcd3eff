import * as fc from "fast-check";
import { checkEngine, engineSchema } from "../../../../config/engines";
import {
  AGENT_VARIABLES,
  cedanaEngineSchema,
  configData,
  configHash,
  listenAddress,
  secretVariables,
  socketDirectory,
  variablesOf,
} from "../../../../config/engines/cedana";
import { formatProblem } from "../../../../config/schema/problem";
import { check, resolve } from "../../../../config/schema";
import { assertProperty } from "../../../support/property";

const base = {
  kind: "cedana" as const,
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://sandbox.cedana.ai",
};
const engine = (more: object = {}) =>
  resolve("engine", cedanaEngineSchema, { ...base, ...more }, checkEngine);
const problems = (more: object) =>
  check(engineSchema, { ...base, ...more }, checkEngine).problems?.map(formatProblem);
const secret = (key: string) => ({ name: "s", key });

test("uses the chart's defaults without settings, and opens no port", () => {
  expect(configData(engine(), "v0.9.297")).toEqual({
    "cluster-id": base.clusterId,
    url: base.url,
    address: "/run/cedana/cedana.sock",
    protocol: "unix",
    "sqs-queue-url": "",
    "checkpoint-dir": "/tmp",
    "checkpoint-streams": "0",
    "checkpoint-stream-memory-limit": "4096",
    "checkpoint-compression": "none",
    "checkpoint-async": "false",
    "gpu-pool-size": "0",
    "gpu-shm-size": "8589934592",
    "plugins-builds": "release",
    "plugins-native-version": "v0.9.297",
    "plugins-criu-version": "v4.2-cedana.01",
    "plugins-containerd-runtime-version": "v0.7.5",
    "plugins-gpu-version": "v0.7.3",
    "plugins-streamer-version": "v0.1.0",
    metrics: "true",
    profiling: "true",
    "log-level": "info",
    "criu-log-level": "2",
    "aws-region": "",
    "aws-endpoint": "",
    "containerd-address": "/run/containerd/containerd.sock",
    "disable-io-uring": "true",
    "shm-config-enabled": "false",
    "shm-config-size": "10G",
    "shm-config-min-size": "10G",
  });
});

test("passes every key to a program, under a distinct variable for each", () => {
  const read = new Set(
    (["node-agent", "manager", "dynamo"] as const).flatMap((reader) =>
      variablesOf(reader).map(({ key }) => key),
    ),
  );
  expect([...read].toSorted((a, b) => a.localeCompare(b))).toEqual(
    Object.keys(configData(engine(), "v1.0")).toSorted((a, b) => a.localeCompare(b)),
  );
  expect(AGENT_VARIABLES.size).toBe(variablesOf("node-agent").length + 4 + 3);
});

test("passes five values to the manager and three to the Dynamo watcher", () => {
  expect(variablesOf("manager").map(({ name }) => name)).toEqual([
    "CEDANA_CLUSTER_ID",
    "CEDANA_URL",
    "CEDANA_SQS_QUEUE_URL",
    "CEDANA_METRICS_ENABLED",
    "CEDANA_LOG_LEVEL",
  ]);
  expect(variablesOf("dynamo").map(({ name }) => name)).toEqual([
    "CEDANA_CLUSTER_ID",
    "CEDANA_URL",
    "CEDANA_LOG_LEVEL",
  ]);
});

test("passes secrets to the agent only if the input refers to them, and AWS keys only to the agent", () => {
  expect(secretVariables(engine(), "node-agent").map(({ name }) => name)).toEqual(["CEDANA_AUTH_TOKEN"]);
  const withKeys = engine({
    secrets: { awsAccessKeyId: secret("id"), awsSecretAccessKey: secret("key") },
  });
  expect(secretVariables(withKeys, "node-agent")).toHaveLength(3);
  expect(secretVariables(withKeys, "manager").map(({ name }) => name)).toEqual(["CEDANA_AUTH_TOKEN"]);
});

test.each([
  ["unix", undefined, "/run/cedana/cedana.sock", "/run/cedana"],
  ["unix", "/run/a/b.sock", "/run/a/b.sock", "/run/a"],
  ["tcp", undefined, "127.0.0.1:8080", undefined],
  ["tcp", "127.0.0.1:9", "127.0.0.1:9", undefined],
  ["vsock", "3:1024", "3:1024", undefined],
] as const)("%s with address %s listens on %s", (protocol, address, listens, directory) => {
  const resolved = engine(address === undefined ? { protocol } : { protocol, address });
  expect(listenAddress(resolved)).toBe(listens);
  expect(socketDirectory(resolved)).toBe(directory);
});

test("leaves out the GPU plugin with gpu: none", () => {
  expect(configData(engine({ gpu: "none" }), "v1.0")["plugins-gpu-version"]).toBe("none");
});

test.each([
  ["a cluster ID that is not a UUID", { clusterId: "prod" }],
  ["plain http", { url: "http://sandbox.cedana.ai" }],
  ["the version latest", { pluginsCriuVersion: "latest" }],
  ["a single stream", { checkpointStreams: 1 }],
  ["a daemon on all addresses", { protocol: "tcp", address: "0.0.0.0:8080" }],
  ["a socket in /", { address: "/cedana.sock" }],
  ["tcp on a path", { protocol: "tcp", address: "/run/a/b.sock" }],
  ["unix on a port", { address: "127.0.0.1:8080" }],
  ["vsock without address", { protocol: "vsock" }],
  ["s3 without keys", { checkpointDir: "s3://bucket/a" }],
  ["gs", { checkpointDir: "gs://bucket/a" }],
  ["CRI-O", { runtime: "crio" }],
  ["a misspelt property", { checkpointDirr: "/tmp" }],
])("rejects %s", (_, more) => {
  expect(problems(more)).toMatchSnapshot();
});

test("accepts a daemon on all addresses with exposeDaemon", () => {
  expect(problems({ protocol: "tcp", address: "0.0.0.0:8080", exposeDaemon: true })).toBeUndefined();
});

test.each([
  ["a token instead of a reference", { secrets: { authToken: "s3cr3t-value" } }, "s3cr3t-value"],
  ["a password in a URL", { sqsQueueUrl: "https://user:s3cr3t@sqs.example" }, "s3cr3t"],
  ["a password in the platform's URL", { url: "https://user:s3cr3t@sandbox.cedana.ai" }, "s3cr3t"],
  ["an AWS key id", { checkpointDir: "/a/AKIAIOSFODNN7EXAMPLE" }, "AKIAIOSFODNN7EXAMPLE"],
  ["a web token", { checkpointDir: "cedana://eyJhbGciOiJI.eyJzdWIiOiIx.abc" }, "eyJhbGciOiJI"],
])("rejects %s in plain text without repeating it", (_, more, value) => {
  const found = problems(more);
  expect(found).toHaveLength(1);
  expect(found?.join()).not.toContain(value);
});

test("names the Secret reference to use when a token is in plain text", () => {
  expect(problems({ secrets: { authToken: "s3cr3t-value" } })).toEqual([
    "secrets.authToken  must be a reference to a Secret, not the secret value; allowed: { name: <Secret>, key: <key in the Secret> }; store the value in a Kubernetes Secret and refer to it here",
  ]);
});

test("accepts values that only Terraform knows, except where ports and mounts depend on them", () => {
  const token = "${TfToken[TOKEN.1]}";
  expect(problems({ clusterId: token, url: token, sqsQueueUrl: token, awsRegion: token })).toBeUndefined();
  expect(problems({ protocol: "tcp", address: token })).toEqual([
    "address  is a Terraform token, but ports and mounts depend on its value; allowed: a literal value",
  ]);
});

test("changes the hash with every value and with nothing else", () => {
  const hash = (more: object = {}) => configHash(engine(more), "v1.0");
  expect(hash()).toBe(hash({ logLevel: "info" }));
  expect(hash()).toMatch(/^[0-9a-f]{64}$/);
  const changes: Record<string, unknown> = {
    logLevel: "debug",
    checkpointStreams: 4,
    gpu: "none",
    metrics: false,
    secrets: { authToken: secret("other") },
    shmConfig: { enabled: true },
  };
  assertProperty(
    fc.property(fc.subarray(Object.keys(changes), { minLength: 1 }), (keys) => {
      expect(hash(Object.fromEntries(keys.map((key) => [key, changes[key]])))).not.toBe(hash());
    }),
  );
  // The order in which a user writes them does not matter.
  const secrets = { authToken: secret("a"), awsAccessKeyId: secret("b") };
  const turned = { awsAccessKeyId: { key: "b", name: "s" }, authToken: { key: "a", name: "s" } };
  expect(hash({ secrets })).toBe(hash({ secrets: turned }));
});
