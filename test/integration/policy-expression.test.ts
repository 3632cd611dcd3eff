/**
 * Expressions of policies give the same result as in the API server: random ones over random pods, with a ValidatingAdmissionPolicy
 * as the judge. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import * as fc from "fast-check";
import { compilePodExpression, readableFields } from "../../config/cel";
import { SEED } from "../../testbed/random";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { apply } from "./support/apiserver-install";

const config = kubeconfig();
const PODS = "/api/v1/namespaces/default/pods";
const NAME = "expression-judge";
/** Validations of one policy. Each that is not true is a warning, and the API server truncates warnings of 4096 characters. */
const BATCH = 16;
const BATCHES = 12;
const POD_COUNT = 3;

type Result = "true" | "false" | "error";

/** Random expressions over the fields of a pod, of the type bool. */
const { expression } = fc.letrec<{
  expression: string;
  condition: string;
  text: string;
  count: string;
  names: string;
}>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    tie("condition"),
    fc
      .tuple(tie("expression"), fc.constantFrom("&&", "||"), tie("expression"))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie("expression").map((one) => `!(${one})`),
    fc
      .tuple(tie("expression"), tie("expression"), tie("expression"))
      .map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
  condition: fc.oneof(
    fc
      .tuple(tie("text"), fc.constantFrom("==", "!=", "<", ">="), tie("text"))
      .map((parts) => parts.join(" ")),
    fc
      .tuple(tie("text"), fc.constantFrom("startsWith", "endsWith", "contains"), tie("text"))
      .map(([a, name, b]) => `${a}.${name}(${b})`),
    fc
      .tuple(tie("count"), fc.constantFrom("==", "!=", "<", "<=", ">", ">="), tie("count"))
      .map((parts) => parts.join(" ")),
    fc
      .tuple(
        tie("text"),
        fc.constantFrom("pod.metadata.labels", "pod.metadata.annotations", "['web', 'db', '']"),
      )
      .map(([a, b]) => `${a} in ${b}`),
    fc.constantFrom(
      "has(pod.metadata.labels)",
      "has(pod.metadata.labels.app)",
      "has(pod.metadata.annotations)",
      "has(pod.spec.runtimeClassName)",
      "has(pod.spec.priorityClassName)",
      "has(pod.spec.nodeSelector) && has(pod.spec.nodeSelector.disk)",
      "has(pod.status.containerStatuses)",
      "pod.spec.hostNetwork",
      "pod.status.containerStatuses[0].ready",
      "timestamp(pod.metadata.creationTimestamp) > timestamp('2026-01-01T00:00:00Z')",
      "timestamp(pod.metadata.creationTimestamp) < timestamp('2026-01-01T00:00:00Z') + duration('24h')",
      "timestamp(pod.spec.nodeName) > timestamp('2026-01-01T00:00:00Z')",
    ),
    fc
      .tuple(
        fc.constantFrom("all", "exists", "exists_one"),
        fc.constantFrom(
          "c.name == 'main'",
          "c.image.startsWith('registry.example.com/')",
          "has(c.resources.limits) && 'memory' in c.resources.limits",
          "c.resources.limits['memory'] == '1Gi'",
          "c.ports.exists(p, p.containerPort > 1024 && p.protocol == 'TCP')",
          "has(c.ports) && c.ports.all(p, has(p.name))",
          "c.restartPolicy == 'Always'",
        ),
      )
      .map(([macro, body]) => `pod.spec.containers.${macro}(c, ${body})`),
    fc
      .tuple(
        fc.constantFrom("all", "exists", "exists_one"),
        fc.constantFrom(
          "s.restartCount > 2",
          "s.ready",
          "has(s.started) && s.started",
          "s.image.contains('web')",
        ),
      )
      .map(([macro, body]) => `pod.status.containerStatuses.${macro}(s, ${body})`),
    fc
      .tuple(
        fc.constantFrom("all", "exists"),
        fc.constantFrom("k.startsWith('a')", "pod.metadata.labels[k] == 'web'"),
      )
      .map(([macro, body]) => `pod.metadata.labels.${macro}(k, ${body})`),
    fc.tuple(tie("names"), fc.constantFrom("==", "!="), tie("names")).map((parts) => parts.join(" ")),
  ),
  text: fc.oneof(
    fc.constantFrom("'web'", "'main'", "''", "'registry.example.com/'", "'Burstable'", "'1Gi'"),
    fc.constantFrom(
      "pod.metadata.name",
      "pod.metadata.namespace",
      "pod.metadata.labels['app']",
      "pod.metadata.labels.tier",
      "pod.metadata.annotations['note']",
      "pod.spec.schedulerName",
      "pod.spec.serviceAccountName",
      "pod.spec.priorityClassName",
      "pod.spec.restartPolicy",
      "pod.spec.containers[0].image",
      "pod.spec.containers[1].name",
      "pod.spec.containers[0].resources.requests['cpu']",
      "pod.status.phase",
      "pod.status.qosClass",
      "pod.status.containerStatuses[0].image",
    ),
  ),
  count: fc.oneof(
    fc.integer({ min: -3, max: 8081 }).map(String),
    fc.constantFrom(
      "size(pod.spec.containers)",
      "pod.metadata.labels.size()",
      "size(pod.metadata.name)",
      "pod.spec.priority",
      "pod.spec.terminationGracePeriodSeconds",
      "pod.spec.containers[0].ports[0].containerPort",
      "pod.status.containerStatuses[0].restartCount",
      "pod.spec.containers.filter(c, c.name != 'main').size()",
    ),
    fc
      .tuple(
        fc.constantFrom("size(pod.spec.containers)", "pod.spec.priority"),
        fc.constantFrom("+", "-", "*", "/", "%"),
        fc.integer({ min: 0, max: 3 }),
      )
      .map((parts) => `(${parts.join(" ")})`),
  ),
  names: fc.constantFrom(
    "pod.spec.containers.map(c, c.name)",
    "pod.spec.containers.map(c, c.name == 'main', c.name)",
    "pod.spec.containers.map(c, c.restartPolicy)",
    "['main']",
    "['main', 'proxy']",
  ),
}));

const container = fc.record(
  {
    name: fc.constant("main"),
    image: fc.constantFrom("registry.example.com/web:1", "docker.io/envoy:1"),
    ports: fc.array(
      fc.record({ containerPort: fc.integer({ min: 80, max: 9000 }), protocol: fc.constant("TCP") }),
      { minLength: 1, maxLength: 1 },
    ),
    resources: fc.record({ limits: fc.record({ memory: fc.constantFrom("1Gi", "512Mi") }) }),
  },
  { requiredKeys: ["name", "image"] },
);

const podSpec = fc.record({
  labels: fc.option(
    fc.record({ app: fc.constantFrom("web", "db"), tier: fc.constant("gold") }, { requiredKeys: [] }),
    { nil: undefined },
  ),
  annotations: fc.option(fc.record({ note: fc.constantFrom("web", "x") }, { requiredKeys: [] }), {
    nil: undefined,
  }),
  first: container,
  second: fc.option(container, { nil: undefined }),
  nodeSelector: fc.option(fc.constant({ disk: "ssd" }), { nil: undefined }),
  restartCount: fc.integer({ min: 0, max: 5 }),
  ready: fc.boolean(),
  hasStatus: fc.boolean(),
});

function evaluate(text: string, pod: KubernetesObject): Result {
  const compiled = compilePodExpression(text);
  if ("problem" in compiled) throw new Error(`${text}: ${compiled.problem.message}`);
  try {
    return compiled.expression.evaluate(readableFields(pod)) ? "true" : "false";
  } catch {
    return "error";
  }
}

(config === undefined ? describe.skip : describe)("expressions of policies", () => {
  let api: ApiServer;

  beforeAll(() => {
    api = new ApiServer(config ?? "");
  });
  afterAll(async () => {
    const group = "/apis/admissionregistration.k8s.io/v1";
    for (const kind of ["validatingadmissionpolicies", "validatingadmissionpolicybindings"])
      await api.request("DELETE", `${group}/${kind}/${NAME}`);
    await api.request("DELETE", `${PODS}?labelSelector=${NAME}=true`);
    api.close();
  });

  /** Makes the API server evaluate expressions for each change of a pod's status. A validation that always fails marks the batch. */
  async function judge(batch: string, expressions: readonly string[]): Promise<void> {
    const validation = (text: string, index: number) => ({
      // An error names the beginning of the expression.
      expression: `'#${index}#' == '#${index}#' && (${text.replaceAll(/\bpod\b/g, "object")})`,
      message: `#${index}#`,
    });
    await apply(api, {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicy",
      metadata: { name: NAME },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: [
            { apiGroups: [""], apiVersions: ["v1"], resources: ["pods/status"], operations: ["UPDATE"] },
          ],
        },
        validations: [{ expression: "1 == 2", message: batch }, ...expressions.map(validation)],
      },
    });
    await apply(api, {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name: NAME },
      spec: { policyName: NAME, validationActions: ["Warn"] },
    });
  }

  /** Returns what the API server computes for a pod, and the pod. */
  async function judged(batch: string, pod: KubernetesObject, count: number) {
    let response = await update(pod);
    await eventually(60, `the API server evaluates ${batch}`, async () => {
      response = await update(pod);
      return response.warnings.some((warning) => warning.includes(batch));
    });
    const results = Array.from({ length: count }, (_, index): Result => {
      const warning = response.warnings.find((one) => one.includes(`#${index}#`));
      if (warning === undefined) return "true";
      // The warning of an error begins with the expression, and is truncated. Otherwise it is the message.
      return warning.includes(`'#${index}#'`) ? "error" : "false";
    });
    return { pod: response.body, results };
  }

  const update = (pod: KubernetesObject) =>
    api.request<KubernetesObject>("PUT", `${PODS}/${pod.metadata.name}/status?dryRun=All`, pod);

  async function createPods(): Promise<readonly KubernetesObject[]> {
    const samples = fc.sample(podSpec, { numRuns: POD_COUNT, seed: SEED });
    return Promise.all(
      samples.map(async (sample, index) => {
        const { labels, annotations, first, second, nodeSelector, hasStatus, ready, restartCount } = sample;
        const { status, body } = await api.request<KubernetesObject>("POST", PODS, {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { generateName: `web-${index}-`, labels: { [NAME]: "true", ...labels }, annotations },
          // No scheduler of this name exists, so nothing else changes the pod.
          spec: {
            schedulerName: "none",
            nodeSelector,
            containers: [first, ...(second ? [{ ...second, name: "proxy" }] : [])],
          },
        });
        expect(status).toBe(201);
        const containerStatuses = [
          {
            name: "main",
            image: first.image,
            imageID: "",
            ready,
            started: ready,
            restartCount,
            state: {},
            lastState: {},
          },
        ];
        return {
          ...body,
          status: { ...(body["status"] as object), ...(hasStatus && { containerStatuses }) },
        };
      }),
    );
  }

  test("give the same result as in the API server, for random expressions and pods", async () => {
    const pods = await createPods();
    const expressions = fc
      .sample(expression, { numRuns: BATCH * BATCHES * 2, seed: SEED })
      .filter((text) => text.length < 600)
      .slice(0, BATCH * BATCHES);
    const counts = { true: 0, false: 0, error: 0 };
    const different: string[] = [];
    for (let start = 0; start < expressions.length; start += BATCH) {
      const batch = expressions.slice(start, start + BATCH);
      const name = `batch-${start}-${Date.now()}`;
      await judge(name, batch);
      for (const pod of pods) {
        const { pod: judgedPod, results } = await judged(name, pod, batch.length);
        for (const [index, text] of batch.entries()) {
          const [ours, theirs] = [evaluate(text, judgedPod), results[index]];
          if (theirs !== undefined) counts[theirs]++;
          if (ours !== theirs) different.push(`${text}\n  ours ${ours}, the API server's ${theirs}`);
        }
      }
    }
    expect(different).toEqual([]);
    // All three occur, or the comparison would show nothing.
    expect(Math.min(counts.true, counts.false, counts.error)).toBeGreaterThan(20);
  });
});
