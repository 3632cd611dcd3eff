/** Credentials of the agent for the registry, from its settings. */
import { writeFileSync } from "node:fs";
import { join, dirname } from "node:path";
import { artifactsWith } from "../../../../../agent/engines/criu/context";
import { NodeServiceClient } from "../../../../../clients/node-service";
import { checkpointMetadata, FakeNodeService } from "../../../../support/node-service";
import { FakeRegistry } from "../../../../support/registry";

const PARTS = ["containers/app/images", "containers/app/rootfs", "containers/log/images"];
const MORE = ["containers/log/rootfs", "volumes/data", "shm"];

test("pushes and pulls with the credentials of a Docker config, and rejects ECR without an identity", async () => {
  const registry = await new FakeRegistry({ auth: "basic", username: "me", password: "secret" }).start();
  const service = await new FakeNodeService().start();
  try {
    service.add(
      checkpointMetadata(),
      Object.fromEntries([...PARTS, ...MORE].map((part) => [part, Buffer.from(part)])),
    );
    const dockerConfig = join(dirname(service.socket), "config.json");
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(dockerConfig, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const node = new NodeServiceClient(service.socket);
    const { signal } = new AbortController();
    const artifacts = artifactsWith(
      node,
      { credentials: "docker-config", dockerConfig },
      async () => undefined,
    );
    const { image, digest } = await artifacts.push(
      "cp",
      { image: `${registry.host}/checkpoints/web:1`, cluster: "cluster-1" },
      signal,
    );
    expect(image).toBe(`${registry.host}/checkpoints/web@${digest}`);
    const { content } = registry.manifests.get("checkpoints/web/1") ?? {};
    expect(JSON.parse(String(content))).toMatchObject({
      annotations: { "ai.cedana.checkpoint.uid": "cp", "ai.cedana.checkpoint.cluster": "cluster-1" },
    });
    const limits = { maxBytes: 1e9, reserveBytes: 0, lazy: false };
    expect(await artifacts.pull({ image, podUID: "pod-2", ...limits }, signal)).toMatchObject({ uid: "cp" });
    await expect(
      artifacts.push("cp", { image: "other.example.com/checkpoints/web:1" }, signal),
    ).rejects.toThrow(
      `the Docker config has no entry for other.example.com/checkpoints/web; it has: ${registry.host}. Add an entry to the Secret of registryCredentials`,
    );
    const withoutIdentity = artifactsWith(node, { credentials: "ecr" }, async () => undefined);
    await expect(
      withoutIdentity.push("cp", { image: `${registry.host}/checkpoints/web:2` }, signal),
    ).rejects.toThrow("no AWS identity");
  } finally {
    await service.stop();
    await registry.stop();
  }
});
