/** Kills a part of the node at a step of the OCI runtime wrapper, between two calls of containerd's shim. */
import { WRAPPER } from "../../../config/nodes";
import type { ServiceNode } from "../../../testbed/node/service";
import type { Role } from "./pair";

/** Directory of the node with the wrapper, while a script is in its place, and with the kills. */
const STEPS = "/opt/wrapper-steps";

/** A step: before the wrapper acts on a call of the shim for a container, or after it, before the shim has the result. */
export interface Step {
  readonly when: "before" | "after";
  readonly command: "create" | "start";
  readonly role: Role;
}

/** Runs the wrapper, and the kill at its step. config.json of the bundle has the name of the container. */
const SCRIPT = `#!/bin/sh
real=${STEPS}/cedana-runc
for each in "$@"; do
  id=$each
  case $each in create|start) command=$each ;; esac
done
config=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json
role=$(grep -o '"io.kubernetes.cri.container-name":"[^"]*"' "$config" 2>/dev/null | cut -d'"' -f4)
cd ${STEPS}
# A rename takes it once.
strike() {
  if mv "$1 $command $role" now 2>/dev/null; then
    sh now > struck 2>&1
    sleep 1
  fi
}
strike before
if [ -e "after $command $role" ]; then
  $real "$@"
  status=$?
  strike after
  exit $status
fi
exec $real "$@"
`;

/** Puts a script in the place of the node's wrapper, which runs the wrapper and the kills of `strikeAt`. */
export function instrument(node: ServiceNode): void {
  node.script(`mkdir -p ${STEPS}
cp ${WRAPPER} ${STEPS}/cedana-runc
cat > ${WRAPPER}.new <<'END'
${SCRIPT}END
chmod 755 ${WRAPPER}.new
mv ${WRAPPER}.new ${WRAPPER}`);
}

/** Kills with a shell command when the wrapper is next at a step. */
export function strikeAt(node: ServiceNode, { when, command, role }: Step, kill: string): void {
  node.script(`cd ${STEPS}
rm -f now struck before* after*
cat > "${when} ${command} ${role}" <<'END'
${kill}
END`);
}

/** Says if the kill ran. */
export const struck = (node: ServiceNode): boolean =>
  node.script(`if [ -e ${STEPS}/struck ]; then echo yes; fi`) !== "";
