# shellcheck shell=bash disable=SC2034,SC2154  # the settings are read by, and come from, the files of the test bed
# Settings of a second node in namespaces, on top of those of the test bed in CEDANA_TESTBED.

# shellcheck source=/dev/null
. "${CEDANA_TESTBED:?set CEDANA_TESTBED to the directory of the test bed}/lib/common.sh"
# shellcheck source=/dev/null
. "$kit/lib/control-plane.sh"
# shellcheck source=/dev/null
. "$kit/lib/node.sh"

# The host is .1 on the link of each node, the node is .2.
first=$net node=real-2 netns=$netns-b
net=10.79.${first##*.} pods=10.90.${first##*.}

# Its directory is in that of the cluster.
in_cluster() {
  cluster=$(realpath -m "$1")
  dir=$cluster/second
}
