import { checkFeatures, type FeatureUse } from "../../features";
import { printable, type Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";
import { daemonPort, isLoopback, listenAddress, socketProblem } from "./address";
import type { ResolvedCedanaEngine } from "./schema";

/** Which kind of store a checkpoint directory names. */
export function storageOf(checkpointDir: string): FeatureUse["storage"] {
  if (checkpointDir.startsWith("cedana://")) return "cedana";
  if (checkpointDir.startsWith("s3://")) return "s3";
  if (/^(gs|gcs):\/\//.test(checkpointDir)) return "gcs";
  return "local";
}

/** What depends on several properties of the engine `cedana`. */
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
            message: "streams need at least 2",
            given: "1",
            allowed: "0 (not streamed), or 2 and more",
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
        code: "not-plain",
        path: ["address"],
        message: "is known only when Terraform runs, but decides on ports and mounts",
        allowed: "a plain value",
      },
    ];
  }
  const isPath = address.startsWith("/");
  if (isPath !== (protocol === "unix")) {
    return [
      {
        code: "address-against-protocol",
        path: ["address"],
        message: `does not fit the protocol ${protocol}`,
        given: JSON.stringify(address),
        allowed: protocol === "unix" ? "a socket path" : "host:port",
        remedy: isPath ? "set protocol: unix" : "set protocol: tcp",
      },
    ];
  }
  const given = JSON.stringify(address);
  const wrong = isPath ? socketProblem(address) : undefined;
  if (wrong !== undefined) {
    return [
      {
        code: "not-a-socket-of-its-own",
        path: ["address"],
        message: wrong,
        given,
        allowed: "a socket in a directory of its own, such as /run/cedana/cedana.sock",
      },
    ];
  }
  const port = daemonPort(engine);
  if (port !== undefined && (port < 1 || port > 65_535)) {
    return [
      {
        code: "out-of-range",
        path: ["address"],
        message: "has no such port",
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
        message: "opens the daemon, which has no authentication and is root, to whoever reaches the node",
        given,
        allowed: "an address on 127.0.0.1, or protocol: unix",
        remedy: "leave address out, or set exposeDaemon: true if the network protects it",
      },
    ];
  }
  return [];
}

/** Cedana's s3 plugin takes static keys only: it refuses to start without both, and knows no session token. */
function checkStore({ checkpointDir, secrets, awsRegion }: ResolvedCedanaEngine): Problem[] {
  if (!isToken(checkpointDir) && storageOf(checkpointDir) === "s3") {
    const bucket: Problem[] = /^s3:\/\/[^/]/.test(checkpointDir)
      ? []
      : [
          {
            code: "missing",
            path: ["checkpointDir"],
            message: "names no bucket",
            given: printable(checkpointDir),
            allowed: "s3://<bucket>/<path>",
          },
        ];
    const problems: Problem[] = (["awsAccessKeyId", "awsSecretAccessKey"] as const)
      .filter((name) => secrets[name] === undefined)
      .map((name) => ({
        code: "missing",
        path: ["secrets", name],
        message: "is required by checkpoints in s3://: the agent's s3 plugin takes static keys only",
        allowed: "{ name: <Secret>, key: <key in it> }",
        remedy: "give it, or keep checkpoints in cedana:// or on the node",
      }));
    if (awsRegion === "") {
      problems.push({
        code: "missing",
        path: ["awsRegion"],
        message: "is required by checkpoints in s3://",
        allowed: "the region of the bucket, such as eu-west-1",
      });
    }
    return [...bucket, ...problems];
  }
  if (isToken(checkpointDir) || storageOf(checkpointDir) !== "local" || checkpointDir.startsWith("/"))
    return [];
  return [
    {
      code: "unknown-store",
      path: ["checkpointDir"],
      message: "is in a kind of store that the agent does not know",
      given: printable(checkpointDir),
      allowed: "cedana://<path>, s3://<bucket>/<path> or a directory on the node",
    },
  ];
}
