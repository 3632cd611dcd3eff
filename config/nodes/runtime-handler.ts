/** Settings of the containerd runtime handler that restores checkpoints. */
import * as v from "../schema/valibot";
import { dnsLabel, described, oneOf, pattern, shape } from "../schema";

const absolute = pattern(/^\/[^"'\\\n]+$/, {
  code: "not-absolute",
  message: "is not an absolute path",
  allowed: "a path that begins with /, without quotes and backslashes",
});

/** Default name of the handler, also in the RuntimeClass of the install. */
export const DEFAULT_HANDLER = "cedana";

export const runtimeHandlerSchema = oneOf([
  v.literal(false),
  shape({
    name: described(
      v.optional(dnsLabel, DEFAULT_HANDLER),
      "Name of the handler: the `handler` of the RuntimeClass.",
    ),
    runtimeType: described(
      v.optional(
        pattern(/^[a-z0-9]+(\.[a-z0-9-]+)+$/, {
          code: "not-a-runtime-type",
          message: "is not a runtime type of containerd",
          allowed: "a name such as io.containerd.runc.v2",
        }),
        "io.containerd.runc.v2",
      ),
      "Runtime type of containerd.",
    ),
    runtimePath: described(
      v.optional(v.union([absolute, v.literal(false)]), "/usr/local/bin/cedana-shim-runc-v2"),
      "Path of the shim that containerd starts. false: the default shim of the runtime type.",
    ),
  }),
]);

export type RuntimeHandler = Exclude<v.InferOutput<typeof runtimeHandlerSchema>, false>;
