import { dependable, type ITerraformDependable } from "cdktf";

/** Makes a resource depend on another one that was created later. */
export function addDependency(resource: { dependsOn?: string[] }, on: ITerraformDependable): void {
  resource.dependsOn = [...(resource.dependsOn ?? []), dependable(on)];
}
