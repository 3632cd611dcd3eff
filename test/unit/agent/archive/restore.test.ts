import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notRestored, readArchive, restorePod } from "../../../../agent/archive";
import { entries, SPEC, writeArchive } from "../../../support/checkpoint-archive";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "archive-"));
  file = join(directory, "checkpoint.tar");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("lists what a restore does not bring back", async () => {
  const mounts = [
    ...SPEC.mounts,
    { destination: "/etc/one", source: "/var/lib/kubelet/pods/1/volume-subpaths/app/count/0" },
  ];
  const tcp = { name: "checkpoint/tcp-stream-1f.img" };
  await writeArchive(file, [...entries({ spec: { mounts }, config: { rootfsImageRef: "sha256:12" } }), tcp]);
  expect(notRestored(await readArchive(file)).map(({ code, message }) => `${code}: ${message}`)).toEqual([
    "empty-dir: emptyDir scratch at /scratch: empty in the new pod; a process with open files in it cannot be restored",
    "volume: /etc/app: mount volume app (configmap) here, with the same files",
    "volume: /etc/one: mount the original volume here, with the same files",
    "tcp-connections: 1 open TCP connection: the new pod has a different address",
    "dev-shm: /dev/shm: the archive does not contain its files",
    "hostname: host name: the process keeps web-0",
    "base-image: base image registry.example.com/count:1: the archive has only the ID sha256:12, which cannot be pulled; the node must have the image",
    "restart: a container restarted by its restartPolicy resumes from the checkpoint again",
  ]);
});

test("returns a pod that is restored from the image", async () => {
  await writeArchive(file);
  expect(restorePod("host/app@sha256:1", await readArchive(file))).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web-0-restored", namespace: "shop" },
    spec: {
      nodeSelector: { "kubernetes.io/arch": "amd64" },
      restartPolicy: "Never",
      containers: [
        {
          name: "count",
          image: "host/app@sha256:1",
          volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
        },
      ],
      volumes: [{ name: "scratch", emptyDir: {} }],
    },
  });
});
