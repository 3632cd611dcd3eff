import * as v from "../../schema/valibot";
import { described, directory, shape } from "../../schema";

/** Describes the credentials of a program for its registry. */
export const registryAccess = v.variant("credentials", [
  shape({
    credentials: described(
      v.picklist(["none", "ecr"]),
      "Credentials for the registry. none: no credentials. ecr: an ECR token, by the IAM role of the pod.",
    ),
  }),
  shape({
    credentials: described(
      v.literal("docker-config"),
      "Credentials for the registry: those of a Docker config.json.",
    ),
    dockerConfig: described(directory, "Path of the Docker config.json. It is read for each use."),
  }),
]);
