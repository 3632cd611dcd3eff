// Starts a disposable Kubernetes cluster, runs a command with its CEDANA_INTEGRATION_KUBECONFIG, and stops the cluster:
//
//   KUBEBUILDER_ASSETS=$(setup-envtest use -p path 1.34) node tools/cluster.mjs npm run test:integration
//
// KUBEBUILDER_ASSETS is a directory with etcd, kube-apiserver and kubectl. If kube-controller-manager, kube-scheduler and
// kwok are also in it or on PATH, they run too, and nodes and pods are simulated (test/integration/kwok.yaml). With
// CEDANA_INTEGRATION_KUBECONFIG, of kind for example, only kwok and the nodes are added to that cluster.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { stringify } from "yaml";

const NODES = ["simulated-1", "simulated-2", "simulated-3"];
const directory = mkdtempSync(join(tmpdir(), "cedana-cluster-"));
const children = [];
process.on("exit", (code) => {
  for (const child of children) child.kill("SIGKILL");
  if (code === 0) rmSync(directory, { recursive: true, force: true });
  else process.stderr.write(`logs are in ${directory}\n`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

const command = process.argv.slice(2);
if (command.length === 0) fail("usage: node tools/cluster.mjs COMMAND...");
const given = process.env.CEDANA_INTEGRATION_KUBECONFIG;
const kubectl = process.env.CEDANA_INTEGRATION_KUBECTL ?? program("kubectl");
const kubeconfig = given ?? join(directory, "kubeconfig");
if (!given) await controlPlane();
simulateNodes();
const child = spawn(command[0], command.slice(1), {
  stdio: "inherit",
  env: {
    ...process.env,
    CEDANA_INTEGRATION_KUBECONFIG: kubeconfig,
    CEDANA_INTEGRATION_KUBECTL: kubectl,
  },
});
child.on("exit", (code) => process.exit(code ?? 1));

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Returns the path of a program. @throws if it is required and missing */
function program(name, required = true) {
  const directories = [process.env.KUBEBUILDER_ASSETS ?? "", ...process.env.PATH.split(delimiter)];
  const found = directories.map((one) => join(one, name)).find((path) => existsSync(path));
  if (!found && required)
    fail(`${name} is missing: set KUBEBUILDER_ASSETS to a directory that contains it (docs/testing.md)`);
  return found;
}

/** Starts a program with flags `--name=value`. Logs its output to the directory. */
function start(path, flags) {
  const log = openSync(join(directory, `${basename(path)}.log`), "a");
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  children.push(spawn(path, args, { stdio: ["ignore", log, log] }));
}

function kube(args, input) {
  const options = { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] };
  return execFileSync(kubectl, ["--kubeconfig", kubeconfig, ...args], options);
}

/** Starts etcd, kube-apiserver and, where nodes are simulated, the controllers. */
async function controlPlane() {
  const [etcdPort, peerPort, port] = await freePorts(3);
  certificates();
  const pki = (name) => join(directory, "pki", name);
  const data = (name) => readFileSync(pki(name)).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority-data": data("ca.crt") },
      },
    ],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key") },
      },
    ],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
    "current-context": "test",
  };
  writeFileSync(kubeconfig, stringify(config, { lineWidth: 0 }), { mode: 0o600 });
  const etcd = `http://127.0.0.1:${etcdPort}`;
  start(program("etcd"), {
    "data-dir": join(directory, "etcd"),
    "unsafe-no-fsync": true,
    "listen-client-urls": etcd,
    "advertise-client-urls": etcd,
    "listen-peer-urls": `http://127.0.0.1:${peerPort}`,
  });
  start(program("kube-apiserver"), {
    "etcd-servers": etcd,
    "bind-address": "127.0.0.1",
    "secure-port": port,
    "cert-dir": directory,
    "tls-cert-file": pki("apiserver.crt"),
    "tls-private-key-file": pki("apiserver.key"),
    "client-ca-file": pki("ca.crt"),
    "authorization-mode": "Node,RBAC",
    "allow-privileged": true,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": pki("service-accounts.crt"),
    "service-account-signing-key-file": pki("service-accounts.key"),
    "service-cluster-ip-range": "10.96.0.0/24",
  });
  await until("kube-apiserver is ready", ["get", "--raw", "/readyz"]);
  if (simulated()) {
    const common = {
      kubeconfig,
      "leader-elect": false,
      "secure-port": 0,
      "kube-api-qps": 500,
      "kube-api-burst": 1000,
    };
    start(program("kube-controller-manager"), {
      ...common,
      "use-service-account-credentials": true,
      "root-ca-file": pki("ca.crt"),
      "service-account-private-key-file": pki("service-accounts.key"),
    });
    start(program("kube-scheduler"), common);
    await until("the controllers run", ["get", "serviceaccount", "default"]);
  }
}

/** Returns whether pods and nodes can be simulated. */
function simulated() {
  return ["kube-controller-manager", "kube-scheduler", "kwok"].every((name) => program(name, false));
}

/** Creates a CA, and key pairs of it for the API server and an administrator. */
function certificates() {
  const pki = join(directory, "pki");
  mkdirSync(pki, { mode: 0o700 });
  const openssl = (...args) => execFileSync("openssl", args, { cwd: pki, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const pair = (name, subject, ...more) =>
    openssl(
      "req",
      "-x509",
      ...key,
      "-subj",
      subject,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.crt`,
      ...more,
    );
  const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
  pair("ca", "/CN=test-ca");
  pair("apiserver", "/CN=kube-apiserver", ...ca, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  pair("admin", "/O=system:masters/CN=admin", ...ca);
  pair("service-accounts", "/CN=service-accounts");
}

/** Creates nodes. With controllers that evict from silent nodes, kwok keeps the nodes Ready. */
function simulateNodes() {
  const kwok = program("kwok", false);
  const config = join(dirname(import.meta.dirname), "test/integration/kwok.yaml");
  if (kwok && (given || simulated())) start(kwok, { kubeconfig, config });
  else if (!given)
    process.stderr.write("no kube-controller-manager, kube-scheduler or kwok: the API server alone\n");
  const capacity = { cpu: "32", memory: "128Gi", "ephemeral-storage": "100Gi", pods: "110" };
  const items = NODES.map((name) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      annotations: { "kwok.x-k8s.io/node": "fake" },
      labels: {
        type: "kwok",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "cedana.ai/enabled": "true",
      },
    },
    status: { capacity, allocatable: capacity },
  }));
  kube(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

/** Waits until kubectl succeeds. Fails if a program has exited. */
async function until(what, args) {
  for (let tries = 0; ; tries++) {
    try {
      return kube(args);
    } catch (error) {
      const ended = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
      if (ended || tries > 300)
        fail(`${what}: failed, ${ended ? `${ended.spawnfile} exited` : error.stderr}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** Returns free TCP ports. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => server.address().port);
  for (const server of servers) server.close();
  return ports;
}
