import type { Problem } from "../schema/problem";
import { isToken } from "../schema/token";

/** The ARN that permissions are for is read out of the URL. */
export function checkGivenRepository(repository: { readonly existingUrl: string }): Problem[] {
  if (!isToken(repository.existingUrl)) return [];
  return [
    {
      code: "not-plain",
      path: ["existingUrl"],
      message: "is known only when Terraform runs, but permissions are derived from it",
      allowed: "a plain value",
      remedy: "make the repository with ImageRepository in the same stack, or write its URL out",
    },
  ];
}
