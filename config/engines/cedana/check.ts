import { checkFeatures, type FeatureUse } from "../../features";
import { printable, type Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";
import { daemonPort, isLoopback, listenAddress, socketProblem } from "./address";
import type { ResolvedCedanaEngine } from "./schema";

/** Returns the kind of storage of a checkpoint directory. */
export function storageOf(checkpointDir: string): FeatureUse["storage"] {
  if (checkpointDir.startsWith("cedana://")) return "cedana";
  if (checkpointDir.startsWith("s3://")) return "s3";
  if (/^(gs|gcs):\/\//.test(checkpointDir)) return "gcs";
  return "local";
}

/** Checks the engine `cedana` across several properties. */
export function checkCedanaEngine(engine: ResolvedCedanaEngine): Problem[] {
  return [
    ...checkAddress(engine),
    ...checkStore(engine),
    ...checkFeatures({
      runtime: engine.runtime,
      storage: storageOf(engine.checkpointDir),
      gpu: engine.gpu,
      operations: ["dump", "restore"],
      paths: { storage: ["checkpointDir"] },
    }),
    ...(engine.checkpointStreams === 1
      ? [
          {
            code: "out-of-range",
            path: ["checkpointStreams"],
            message: "is 1, but streaming requires at least 2",
            given: "1",
            allowed: "0 (no streaming), or 2 or more",
          },
        ]
      : []),
  ];
}

function checkAddress(engine: ResolvedCedanaEngine): Problem[] {
  const { protocol, exposeDaemon } = engine;
  const address = listenAddress(engine);
  if (address === undefined) {
    return [
      {
        code: "missing",
        path: ["address"],
        message: "is required with the protocol vsock",
        allowed: "<cid>:<port>",
      },
    ];
  }
  if (isToken(address)) {
    return [
      {
        code: "unresolved-token",
        path: ["address"],
        message: "is a Terraform token, but ports and mounts depend on its value",
        allowed: "a literal value",
      },
    ];
  }
  const isPath = address.startsWith("/");
  if (isPath !== (protocol === "unix")) {
    return [
      {
        code: "address-protocol-mismatch",
        path: ["address"],
        message: `does not match the protocol ${protocol}`,
        given: JSON.stringify(address),
        allowed: protocol === "unix" ? "a socket path" : "<host>:<port>",
        remedy: isPath ? "set protocol: unix" : "set protocol: tcp",
      },
    ];
  }
  const given = JSON.stringify(address);
  const message = isPath ? socketProblem(address) : undefined;
  if (message !== undefined) {
    return [
      {
        code: "invalid-socket-path",
        path: ["address"],
        message,
        given,
        allowed: "a socket in a separate directory, such as /run/cedana/cedana.sock",
      },
    ];
  }
  const port = daemonPort(engine);
  if (port !== undefined && (port < 1 || port > 65_535)) {
    return [
      {
        code: "out-of-range",
        path: ["address"],
        message: "has a port out of range",
        given,
        allowed: "a port from 1 to 65535",
      },
    ];
  }
  if (protocol === "tcp" && !exposeDaemon && !isLoopback(engine)) {
    return [
      {
        code: "daemon-exposed",
        path: ["address"],
        message: "exposes the daemon, which runs as root without authentication, to the network",
        given,
        allowed: "an address on 127.0.0.1, or protocol: unix",
        remedy: "remove address, or set exposeDaemon: true if the network protects the daemon",
      },
    ];
  }
  return [];
}

/** Checks the location of checkpoints. Cedana's s3 plugin requires a static access key and supports no session token. */
function checkStore({ checkpointDir, secrets, awsRegion }: ResolvedCedanaEngine): Problem[] {
  if (!isToken(checkpointDir) && storageOf(checkpointDir) === "s3") {
    const bucket: Problem[] = /^s3:\/\/[^/]/.test(checkpointDir)
      ? []
      : [
          {
            code: "missing",
            path: ["checkpointDir"],
            message: "has no bucket",
            given: printable(checkpointDir),
            allowed: "s3://<bucket>/<path>",
          },
        ];
    const problems: Problem[] = (["awsAccessKeyId", "awsSecretAccessKey"] as const)
      .filter((name) => secrets[name] === undefined)
      .map((name) => ({
        code: "missing",
        path: ["secrets", name],
        message: "is required for checkpoints in s3://",
        allowed: "{ name: <Secret>, key: <key in the Secret> }",
        remedy:
          "set it, or store checkpoints in cedana:// or on the node; the agent supports only static keys",
      }));
    if (awsRegion === "") {
      problems.push({
        code: "missing",
        path: ["awsRegion"],
        message: "is required for checkpoints in s3://",
        allowed: "the region of the bucket, such as eu-west-1",
      });
    }
    return [...bucket, ...problems];
  }
  if (isToken(checkpointDir) || storageOf(checkpointDir) !== "local" || checkpointDir.startsWith("/"))
    return [];
  return [
    {
      code: "unsupported-storage",
      path: ["checkpointDir"],
      message: "is not in a storage that the agent supports",
      given: printable(checkpointDir),
      allowed: "cedana://<path>, s3://<bucket>/<path> or a directory on the node",
    },
  ];
}
