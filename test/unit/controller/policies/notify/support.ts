import type { NotifySettings } from "../../../../../config/programs/controller";
import type { Attempt, Send } from "../../../../../controller/policies/notify";
import { MEMORY, PolicyCluster } from "../cluster";

export const DELIVERED: Attempt = { is: "delivered" };
export const DOWN: Attempt = { is: "failed", cause: "HTTP 500", detail: "HTTP 500 of 10.9.8.7" };

export const destination = (name: string): NotifySettings["destinations"][number] => ({
  name,
  url: `https://${name}.example.com/hook`,
  secret: { name: "keys", key: name },
});

/** A request that was sent, and when. */
export interface Sent {
  readonly to: string;
  readonly id: string;
  readonly body: string;
  readonly atMs: number;
}

/** Returns the field `data` of the body. */
export function dataOf({ body }: Sent): Record<string, unknown> {
  return (JSON.parse(body) as { data: Record<string, unknown> }).data;
}

/** Returns the events of pods. */
export function podEvents({ events }: Pick<PolicyCluster, "events">) {
  return events.filter(({ regarding }) => regarding.kind === "Pod");
}

/** A cluster with the action notify and the destinations `ops` and `audit`. */
export class NotifyCluster extends PolicyCluster {
  readonly sent: Sent[] = [];
  /** How each attempt ends. */
  respond: (sent: Sent, signal: AbortSignal) => Attempt | Promise<Attempt> = () => DELIVERED;

  constructor() {
    const send: Send = async ({ name }, { id, body }, signal) => {
      const one = { to: name, id, body, atMs: Date.now() };
      this.sent.push(one);
      return this.respond(one, signal);
    };
    const destinations = [destination("ops"), destination("audit")];
    super({
      send,
      settings: {
        maxInFlight: 50,
        memory: MEMORY,
        actions: ["checkpoint", "notify"],
        notify: { namespace: "cedana-system", destinations },
      },
    });
  }

  /** Returns the number of notifications that ended, by outcome. */
  async ended(outcome: string, to = "ops"): Promise<number> {
    const text = await this.metrics.registry.metrics();
    const line = new RegExp(
      `^cedana_notifications_total{destination="${to}",outcome="${outcome}"} (\\d+)`,
      "m",
    );
    return Number(line.exec(text)?.[1]);
  }

  /** Requests a pod's action by the trigger manual. */
  request(pod: string, time = new Date().toISOString()): void {
    this.api.edit(`/api/v1/namespaces/team-a/pods/${pod}`, ({ metadata }) => {
      (metadata as { annotations?: object }).annotations = { "cedana.ai/checkpoint-requested-at": time };
    });
  }
}
