/** Actions by their field in `spec.action` of a policy. */
import type { Action } from "./action";
import { checkpoint } from "./checkpoint";
import { deleteCheckpoints } from "./delete-checkpoints";

export type { Action, ActionContext, PodAction, PolicyAction, PolicyActionContext } from "./action";

export const ACTIONS: Readonly<Record<string, Action>> = { checkpoint, deleteCheckpoints };
