/** The action `verify`: restores a Checkpoint in a sandbox pod, to prove that it can be restored. */
import { labelName, list, object, oneOf, optional, integer, text, time, uid, type Infer } from "./schema";

/** Longest time for a verification, in seconds: an hour. */
const MAX_SECONDS = 3600;

const probe = object(
  "Command that must succeed in a restored container, as a probe of the kubelet. Without one it is enough that the containers run.",
  {
    command: list("Program and its arguments. No shell.", text("Argument.", 1024), {
      minItems: 1,
      maxItems: 64,
      merge: "atomic",
    }),
    container: optional(labelName("Name of the container. Default: the pod's first one.")),
    periodSeconds: optional(integer("Seconds between two attempts.", 1, 300, 5)),
    timeoutSeconds: optional(integer("Seconds after which an attempt fails.", 1, 300, 5)),
  },
);

export const verify = object(
  "Restores the pod's newest completed Checkpoint in a sandbox pod without network and credentials, and records whether it runs.",
  {
    runSeconds: optional(integer("Seconds for which all restored containers must run.", 1, MAX_SECONDS, 30)),
    timeoutSeconds: optional(
      integer(
        "Seconds after which the verification ends. It includes the wait for a node, the download of the checkpoint and runSeconds.",
        30,
        MAX_SECONDS,
        600,
      ),
    ),
    probe: optional(probe),
  },
  [{ rule: "self.runSeconds < self.timeoutSeconds", message: "runSeconds must be less than timeoutSeconds" }],
);

/**
 * Outcome of a verification.
 * - `Verified`: the checkpoint was restored, its containers ran, and the probe succeeded
 * - `Failed`: the checkpoint could not be restored, its containers ended, or the probe failed
 * - `Skipped`: it could not be tried, which proves nothing
 */
export const VERIFICATION_OUTCOMES = ["Verified", "Failed", "Skipped"] as const;
export type VerificationOutcome = (typeof VERIFICATION_OUTCOMES)[number];

const fields = {
  time: time("When it ended."),
  outcome: oneOf(
    "Verified: it was restored in a sandbox pod and ran. Failed: it could not be restored, or did not run. Skipped: it could not be tried, which proves nothing.",
    VERIFICATION_OUTCOMES,
  ),
  reason: text("Machine-readable reason, such as Running, CRIUFailed or NotScheduled.", 63),
  message: text("Explanation for people.", 1024),
};

/** Of a Checkpoint. */
export const lastVerified = object(
  "Last verification by a policy. One that was skipped does not replace one that was not.",
  {
    ...fields,
    policyUID: optional(uid("UID of the policy.")),
    podName: optional(text("Name of the sandbox pod, which is deleted.", 253)),
    podUID: optional(uid("UID of the sandbox pod.")),
    nodeName: optional(text("Node of the sandbox pod.", 253)),
  },
);

/** Of a policy. */
export const policyLastVerified = object("Last Checkpoint that the policy verified.", {
  ...fields,
  namespace: text("Namespace of the Checkpoint.", 63),
  checkpoint: text("Name of the Checkpoint.", 253),
});

/** Marks of a sandbox pod. Only the controller sets them. */
export const SANDBOX = {
  /** Label: UID of the policy. A NetworkPolicy selects the pods with it. */
  label: "cedana.ai/verification",
  /** Annotation: what the verification needs, as JSON. */
  settings: "cedana.ai/verification-settings",
} as const;

export type VerifyAction = Infer<typeof verify>;
export type LastVerified = Infer<typeof lastVerified>;
export type PolicyLastVerified = Infer<typeof policyLastVerified>;
