/** What is kept in memory while receivers do not respond. */
import { Notifications } from "../../../../../controller/policies/notify";
import { MAX_OF_NAMESPACE, MAX_PENDING, Pending } from "../../../../../controller/policies/notify/pending";
import { Metrics } from "../../../../../kube";
import { logInto } from "../../../../support/controller-runtime";
import { podOf, policyOf, START } from "../support";
import { destination } from "./support";

test("limits the notifications of a namespace, and of all namespaces together", () => {
  const pending = new Pending();
  const take = (namespace: string) => pending.take(namespace, "p");
  for (let index = 0; index < MAX_OF_NAMESPACE; index++) expect(take("a")).toBeUndefined();
  expect(take("a")).toBe("2500 notifications of the namespace wait");
  for (const namespace of ["b", "c", "d"])
    for (let index = 0; index < MAX_OF_NAMESPACE; index++) take(namespace);
  expect(pending.of("p").count).toBe(MAX_PENDING);
  expect(take("e")).toBe("10000 notifications wait");
  pending.release("b", "p");
  expect(take("e")).toBeUndefined();
  expect(take("b")).toBe("10000 notifications wait");
});

test("counts the notifications of a policy, with the cause of the last failed attempt while one waits", () => {
  const pending = new Pending();
  pending.note("p", "HTTP 500");
  expect(pending.of("p")).toEqual({ count: 0 });
  pending.take("a", "p");
  pending.take("b", "p");
  pending.note("p", "HTTP 500");
  pending.release("a", "p");
  expect(pending.of("p")).toEqual({ count: 1, cause: "HTTP 500" });
  pending.release("b", "p");
  expect(pending.of("p")).toEqual({ count: 0 });
});

test("reports further notifications of a namespace as failures, and does not enqueue a notification twice", async () => {
  const failures: { readonly pod: string; readonly reason: string; readonly message: string }[] = [];
  const notifications = new Notifications({
    settings: { namespace: "cedana-system", destinations: [destination("ops")] },
    client: {} as never,
    log: logInto([]),
    metrics: new Metrics(),
    checkpointsOf: () => [],
    clusterId: () => undefined,
    isCurrent: () => true,
    ended: (_, pod, failure) => failure && failures.push({ pod, ...failure }),
  });
  const policy = policyOf("p", { trigger: { manual: {} } });
  const execute = (index: number) =>
    notifications.action.execute(
      { destination: "ops" },
      {
        policy,
        pod: podOf(`w-${index}`),
        dueMs: START,
        deadlineMs: START + 600_000,
        key: `team-a/w-${index}`,
      },
      { client: {} as never, events: { record: () => {} }, signal: new AbortController().signal },
    );
  for (let index = 0; index < MAX_OF_NAMESPACE + 2; index++) expect(await execute(index)).toBe("ended");
  await execute(0);
  expect(notifications.undelivered("p")).toEqual({ count: MAX_OF_NAMESPACE });
  const full = {
    reason: "NotificationQueueFull",
    message: "destination ops: not sent, because 2500 notifications of the namespace wait",
  };
  expect(failures).toEqual([
    { pod: "team-a/w-2500", ...full },
    { pod: "team-a/w-2501", ...full },
  ]);
});
