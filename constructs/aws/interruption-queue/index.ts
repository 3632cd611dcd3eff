import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { SqsQueuePolicy } from "@cdktf/provider-aws/lib/sqs-queue-policy";
import { Construct } from "constructs";
import { INTERRUPTION_EVENTS, interruptionQueueStatements } from "../../../render/iam";
import { interruptionQueueSchema, type InterruptionQueueSpec } from "../../../config/karpenter";
import { resolve } from "../../../config/schema";
import { policyDocument } from "../internal";

export interface InterruptionQueueProps extends InterruptionQueueSpec {}

/** A spot instance is stopped two minutes after its notice, so older messages are useless. Karpenter also keeps 300 s. */
const RETENTION_SECONDS = 300;

/**
 * Creates the queue of EC2 interruption events: spot interruptions, rebalance recommendations, state changes, health
 * events, ends of capacity reservations. Encrypted; TLS only; only its own five rules may write to it.
 * @throws InvalidInputError
 */
export class InterruptionQueue extends Construct {
  readonly queue: SqsQueue;
  readonly policy: SqsQueuePolicy;
  /** By name, as in `INTERRUPTION_EVENTS`. */
  readonly rules: ReadonlyMap<string, CloudwatchEventRule>;

  constructor(scope: Construct, id: string, props: InterruptionQueueProps) {
    super(scope, id);
    const { name } = resolve(this.node.path, interruptionQueueSchema, props);
    this.queue = new SqsQueue(this, "queue", {
      name,
      messageRetentionSeconds: RETENTION_SECONDS,
      sqsManagedSseEnabled: true,
    });
    this.rules = new Map(
      Object.entries(INTERRUPTION_EVENTS).map(([event, pattern]) => [event, this.makeRule(event, pattern)]),
    );
    this.policy = new SqsQueuePolicy(this, "policy", {
      queueUrl: this.queue.url,
      policy: policyDocument(
        ...interruptionQueueStatements(
          this.queue.arn,
          [...this.rules.values()].map(({ arn }) => arn),
        ),
      ),
    });
  }

  private makeRule(event: string, pattern: object): CloudwatchEventRule {
    const rule = new CloudwatchEventRule(this, event, {
      namePrefix: `${event}-`,
      description: `Sends ${event} events to the queue of ${this.node.path}`,
      eventPattern: JSON.stringify(pattern),
    });
    new CloudwatchEventTarget(this, `${event}-target`, { rule: rule.name, arn: this.queue.arn });
    return rule;
  }
}
