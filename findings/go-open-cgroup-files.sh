#!/usr/bin/env bash
# An idle Go program keeps files of its cgroup open for as long as it runs, and a checkpoint of it contains them.
#
# Likely guess: a program that opens no file has only its standard streams and sockets open, so its checkpoint has nothing
#   of the node's cgroups.
# What happens: since Go 1.25 the runtime reads the CPU limit of the container again and again, and keeps the files open:
#   cpu.max with cgroup v2, cpu.cfs_quota_us and cpu.cfs_period_us with v1. The version in go.mod decides, not the compiler:
#   with "go 1.24" the same compiler builds a program without them. GOMAXPROCS in the environment does not prevent it,
#   GODEBUG=containermaxprocs=0 does.
# Versions: Go 1.26.8.
# Consequence: CRIU has to open the files again when it restores. A checkpoint of such a program cannot be restored on a
#   node with the other version of cgroups, which has no files of these names. Set GODEBUG=containermaxprocs=0 in the
#   container before the checkpoint if the node can change.
#
# Needs: bash, Go 1.21 or newer (it fetches 1.26.8), and a cgroup with the CPU controller. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOTOOLCHAIN=go1.26.8 GOFLAGS=-mod=mod

cat > main.go << 'END'
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, "/sys/fs/cgroup") {
			fmt.Println(target)
		}
	}
}
END
build() {
  printf 'module idle\n\ngo %s\n' "$1" > go.mod
  go build -o "idle-$1" .
}
build 1.24
build 1.25

go version
echo "go 1.25 in go.mod:"
./idle-1.25 | tee open.txt
echo "go 1.25 in go.mod, GOMAXPROCS=2:"
GOMAXPROCS=2 ./idle-1.25 | tee limited.txt
echo "go 1.25 in go.mod, GODEBUG=containermaxprocs=0:"
GODEBUG=containermaxprocs=0 ./idle-1.25 | tee off.txt
echo "go 1.24 in go.mod:"
./idle-1.24 | tee old.txt

if [ ! -s open.txt ] && ! find /sys/fs/cgroup -maxdepth 3 \( -name cpu.max -o -name cpu.cfs_quota_us \) | grep -q .; then
  echo "this machine has no cgroup with the CPU controller" >&2
  exit 2
fi
grep -qE '/cpu\.(max|cfs_quota_us)$' open.txt
grep -qE '/cpu\.(max|cfs_quota_us)$' limited.txt
[ ! -s off.txt ] && [ ! -s old.txt ]
