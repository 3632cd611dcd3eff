import { dependable, type ITerraformDependable } from "cdktf";

/** Makes a resource wait for another one that was made later. */
export function addDependency(resource: { dependsOn?: string[] }, on: ITerraformDependable): void {
  resource.dependsOn = [...(resource.dependsOn ?? []), dependable(on)];
}
