/** What the action notify of policies adds to an install. */
import { readControllerSettings } from "../../../../config/programs/controller";
import { problems, synth } from "./support";

const controller = { image: { repository: "registry.example.com/controller", tag: "1" } };
const ON = { controller, checkpoints: { namespaces: ["team-a"] } };
const named = (objects: ReturnType<typeof synth>, kind: string, name: string) =>
  objects.find((one) => one.kind === kind && one.metadata.name === name);
const ops = { name: "ops", url: "https://hooks.example.com/cedana", secret: { name: "keys", key: "ops" } };
const audit = { name: "audit", url: "https://10.0.0.7:8443", secret: { name: "keys", key: "audit" } };
const installed = (destinations: object[], actions = ["checkpoint", "notify"]) =>
  synth({ ...ON, policies: { actions, notify: { destinations } } as never });
const secretRules = (objects: ReturnType<typeof synth>) =>
  objects.flatMap(({ kind, metadata: { name, namespace }, rules }) =>
    kind.endsWith("Role") && JSON.stringify(rules).includes('"secrets"') ? [{ name, namespace, rules }] : [],
  );
const egress = (objects: ReturnType<typeof synth>) => {
  const spec = named(objects, "NetworkPolicy", "cedana-controller")?.["spec"];
  const { egress: all = [] } = spec as { egress?: { ports: { port: number }[] }[] };
  return all.flatMap(({ ports }) => ports.map(({ port }) => port));
};

test("without destinations, the install has no permission, setting or port for them", () => {
  const [without, events] = [synth({ ...ON, policies: {} }), installed([])];
  expect(secretRules(events)).toEqual(secretRules(without));
  expect(egress(events)).toEqual(egress(without));
  expect(JSON.stringify(named(events, "ConfigMap", "cedana-controller-settings"))).not.toContain(
    "destinations",
  );
});

test("permits only the listed Secrets in the namespace of the install, and the ports of the URLs", () => {
  const objects = installed([ops, audit]);
  expect(secretRules(objects)).toEqual([
    {
      name: "cedana-controller-notify-secrets",
      namespace: "cedana-system",
      rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["keys"], verbs: ["get"] }],
    },
  ]);
  expect(egress(installed([ops]))).not.toContain(8443);
  expect(egress(objects).filter((port) => port !== 8443)).toEqual(egress(installed([ops])));
  expect(egress(objects)).toContain(8443);
  const settings = named(objects, "ConfigMap", "cedana-controller-settings")?.["data"] as Record<
    string,
    string
  >;
  expect(readControllerSettings(settings["settings.json"] ?? "")).toMatchObject({
    value: { policies: { notify: { namespace: "cedana-system", destinations: [ops, audit] } } },
  });
});

const full = {
  name: "full",
  namespace: "team-a",
  trigger: { memory: { percent: 80 } },
  action: { notify: { destination: "pager" } },
};
const actions = ["notify"];
const at = (change: object) => ({ actions, notify: { destinations: [{ ...ops, ...change }] } });
test.each<[string, object, string]>([
  [
    "a policy while it is not enabled",
    { checkpointPolicies: [{ ...full, action: { notify: {} } }] },
    "policies.checkpointPolicies.0.action.notify  is an action that the install does not enable; checkpoint",
  ],
  [
    "destinations while it is not enabled",
    { notify: { destinations: [ops] } },
    "policies.notify.destinations  has no effect: the install does not enable the action notify",
  ],
  [
    "a destination that the install does not have",
    { actions, notify: { destinations: [ops] }, checkpointPolicies: [full] },
    'policies.checkpointPolicies.0.action.notify.destination "pager" is not a destination of the install; ops',
  ],
  [
    "a name twice",
    { actions, notify: { destinations: [ops, ops] } },
    'policies.notify.destinations.1.name "ops" is the name of an earlier destination',
  ],
  [
    "plain HTTP",
    at({ url: "http://hooks.example.com" }),
    "policies.notify.destinations.0.url  is not an https:// URL",
  ],
  [
    "a user",
    at({ url: "https://u:p@hooks.example.com" }),
    "policies.notify.destinations.0.url  contains a user or password",
  ],
  [
    "a query",
    at({ url: "https://hooks.example.com/?t=x" }),
    "policies.notify.destinations.0.url  is not an https:// URL",
  ],
  [
    "another port",
    at({ url: "https://hooks.example.com:65536/" }),
    "policies.notify.destinations.0.url  has an invalid host or port",
  ],
  ...["169.254.169.254", "127.0.0.1:8443", "localhost", "LOCALHOST:80", "[::1]", "[fe80::1]"].map(
    (host): [string, object, string] => [
      `the address ${host}`,
      at({ url: `https://${host}/` }),
      "is an address of the node itself or its metadata, which the controller refuses",
    ],
  ),
  [
    "a key in plain text",
    at({ secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }),
    "policies.notify.destinations.0.secret  must be a reference to a Secret, not the secret value",
  ],
  [
    "text that is not a certificate",
    at({ caBundle: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }),
    "policies.notify.destinations.0.caBundle  is not a list of certificates",
  ],
])("rejects %s", (_, policies, text) => {
  const report = problems({ ...ON, policies });
  expect(report).toContain(text);
  expect(report).not.toMatch(/u:p@|t=x|MfKQ9|AAAA/);
});
