import { STILL, type BenchNode } from "./workload";

/** Calls of each program. */
const CALLS = 200;
const BUNDLE = "/tmp/wrapper-bundle";
const SETTING = "/etc/cedana-cdk/runtime";

/**
 * Returns what the wrapper adds to the creation of an ordinary container, in milliseconds: the median of calls of the
 * wrapper in front of an empty program, less that of the program alone. The bundle is that of a container of the node.
 */
export function wrapperMs(node: BenchNode): number {
  const text = `set -e
mkdir -p ${BUNDLE} /etc/cedana-cdk
set -- /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json
cp "$1" ${BUNDLE}
[ ! -e ${SETTING} ] || mv ${SETTING} ${SETTING}.kept
printf /usr/bin/true > ${SETTING}
cd ${BUNDLE}
${STILL} calls ${CALLS} /usr/local/bin/cedana-runc /usr/bin/true || status=$?
rm ${SETTING}
[ ! -e ${SETTING}.kept ] || mv ${SETTING}.kept ${SETTING}
exit \${status:-0}`;
  const [wrapped, alone] = node.run("sh", "-c", text).trim().split("\n").map(Number);
  return (wrapped! - alone!) / 1000;
}
