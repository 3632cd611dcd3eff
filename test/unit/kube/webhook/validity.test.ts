import { certificateControllers, issue, LIFETIME_MS, WebhookServer } from "../../../../kube/webhook";
import { secretData } from "../../../../kube/webhook/objects";
import { Cache, createLogger, Metrics } from "../../../../kube";
import { clientOn } from "../../../support/controller-runtime";
import { FakeApi } from "../../../../testbed/fake-api";

const NAMES = ["cedana-restore.cedana-system.svc"];
const NOW = Date.now();
const log = createLogger({ level: "error", destination: { write: () => {} } });

test("measures when the certificate that this replica serves is valid", async () => {
  const pair = await issue(NAMES, NOW, "test-ca");
  const api = new FakeApi();
  const metrics = new Metrics();
  const server = new WebhookServer({ port: 0, handlers: {}, log });
  const cache = new Cache({ transport: api, log });
  const settings = {
    namespace: "cedana-system",
    secret: "s",
    configuration: "w",
    dnsNames: NAMES,
    authorityName: "test-ca",
  };
  const client = clientOn(api);
  const options = { name: "certificate", settings, rotate: false, server, cache, client, log, metrics };
  expect(certificateControllers(options)).toEqual([]);
  const times = async () => {
    const text = await metrics.registry.metrics();
    return ["before", "after"].map((end) => {
      const [, value] =
        new RegExp(`^cedana_webhook_certificate_not_${end}_timestamp_seconds (\\d+)$`, "m").exec(text) ?? [];
      return Number(value);
    });
  };
  expect(await times()).toEqual([0, 0]);
  api.put("/api/v1/namespaces/cedana-system/secrets", {
    metadata: { name: "s", namespace: "cedana-system" },
    data: secretData({ current: pair }),
  } as never);
  const stop = new AbortController();
  const running = cache.run(stop.signal);
  while (server.validity === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await running;
  // A certificate has whole seconds, and is backdated by 5 minutes.
  const issued = Math.floor(NOW / 1000);
  expect(await times()).toEqual([issued - 300, Math.floor((NOW + LIFETIME_MS) / 1000)]);
});
