/** Actions by their field in `spec.action` of a policy. */
import type { Action } from "./action";
import { checkpoint } from "./checkpoint";
import { checkpointThenDelete } from "./checkpoint-then-delete";
import { deleteCheckpoints } from "./delete-checkpoints";

import { resume } from "./resume";
import { suspend } from "./suspend";

export {
  ActionError,
  ELSEWHERE,
  OVER,
  isKept,
  type Action,
  type ActionContext,
  type FollowUpContext,
  type PodAction,
  type PolicyAction,
  type PolicyActionContext,
} from "./action";

export const ACTIONS: Readonly<Record<string, Action>> = {
  checkpoint,
  checkpointThenDelete,
  deleteCheckpoints,
  suspend,
  resume,
};
