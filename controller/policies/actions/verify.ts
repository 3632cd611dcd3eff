import { ActionError, type Action } from "./action";

/** The action `verify` of an install that does not permit it. With `install.policies.verify` another one takes its place. */
export const verify: Action = {
  takesNone: true,
  execute() {
    const message =
      "the install does not verify Checkpoints: set install.policies.verify, with the engine criu";
    return Promise.reject(new ActionError("VerifyDisabled", message));
  },
};
