#!/usr/bin/env bash
# CRIU's CUDA plugin lets a frozen container run during its dump, also a container that uses no GPU.
#
# Likely guess: CRIU leaves a cgroup frozen that it finds frozen, so who freezes all containers of a pod and then dumps them one
#   after the other has them all at one moment. A plugin for GPUs matters only for processes that use one.
# What happens: with the plugin loaded and a GPU on the machine, CRIU thaws the cgroup first ("unfreezing cgroup for plugin
#   compatibility"), because a thread of the process must answer cuda-checkpoint, and stops the processes by ptrace later. It freezes
#   the cgroup again at the end, so nothing shows afterwards that the process ran. It does so for every process. An empty directory in
#   CRIU_LIBS_DIR prevents it.
# Versions: CRIU 4.2.1. Here without a GPU: CRIU_FAULT=138 is CRIU's own switch that loads the plugin all the same, and a script
#   stands in for cuda-checkpoint. Seen without both on an NVIDIA H200 with driver 580.159.04.
# Consequence: on a node with a GPU, containers that are frozen together are not dumped at one moment: two processes that
#   talk to each other disagree after a restore. Run cuda-checkpoint before the freeze and let CRIU load no plugin.
#
# Needs: root, a cgroup hierarchy with a freezer, curl, and to build CRIU (2 minutes), on Debian 12: apt-get install gcc make
# pkg-config libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev libnl-3-dev libcap-dev libnet1-dev uuid-dev
# libbsd-dev xz-utils. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
cgroup=''
pid=''
clean() {
  [ -z "$cgroup" ] || thaw
  [ -z "$pid" ] || kill -9 "$pid" 2> /dev/null || true
  sleep 0.3
  [ -z "$cgroup" ] || rmdir "$cgroup"
  rm -rf "$folder"
}
trap clean EXIT
cd "$folder"

curl -fsSLO http://deb.debian.org/debian/pool/main/c/criu/criu_4.2.1.orig.tar.xz ||
  curl -fsSLO https://snapshot.debian.org/archive/debian/20261030T080801Z/pool/main/c/criu/criu_4.2.1.orig.tar.xz
echo '29ec0ee09e296479fe7048c80980e8ef1d0684d0b0204c2b101dfea19f6725b9  criu_4.2.1.orig.tar.xz' | sha256sum --check --quiet
tar -xf criu_4.2.1.orig.tar.xz
make -C criu-4.2.1 -j2 cuda_plugin > make.log 2>&1 || { tail make.log; exit 1; }
criu=$folder/criu-4.2.1/criu/criu
"$criu" --version

# Says that it has the options that the plugin needs, and that no process uses CUDA. The real one took 17 to 160 ms to load the
# driver's library.
mkdir bin none
cat > bin/cuda-checkpoint << 'END'
#!/bin/sh
case $1 in -h) echo "--action"; exit 0;; esac
sleep 0.1
echo "Could not find restore thread"
exit 1
END
chmod +x bin/cuda-checkpoint

if [ -d /sys/fs/cgroup/freezer ]; then
  cgroup=/sys/fs/cgroup/freezer/finding-$$
  freeze() { echo FROZEN > "$cgroup/freezer.state"; until grep -q FROZEN "$cgroup/freezer.state"; do sleep 0.01; done; }
  thaw() { echo THAWED > "$cgroup/freezer.state"; }
else
  cgroup=/sys/fs/cgroup/finding-$$
  freeze() { echo 1 > "$cgroup/cgroup.freeze"; until grep -q 'frozen 1' "$cgroup/cgroup.events"; do sleep 0.01; done; }
  thaw() { echo 0 > "$cgroup/cgroup.freeze"; }
fi
mkdir "$cgroup"
# Writes a line after the other.
setsid sh -c 'while :; do echo; done > "$0"' "$folder/count" < /dev/null > /dev/null 2>&1 &
pid=$!
disown
echo "$pid" > "$cgroup/cgroup.procs"
sleep 0.5

# Prints how many lines the frozen process wrote during its dump. The arguments are the environment of CRIU.
counted() {
  freeze
  local before after
  before=$(wc -l < count)
  rm -rf images
  mkdir images
  env "$@" "$criu" dump --tree "$pid" --images-dir images --log-file dump.log -v4 --leave-running --freeze-cgroup "$cgroup" \
    --shell-job > /dev/null 2>&1 || { grep Error images/dump.log >&2; exit 1; }
  grep -o 'unfreezing cgroup for plugin compatibility' images/dump.log >&2 || true
  after=$(wc -l < count)
  thaw
  echo $((after - before))
}
without=$(counted CRIU_FAULT=138 CRIU_LIBS_DIR="$folder/none" PATH="$folder/bin:$PATH")
echo "a frozen process, no plugin: it wrote $without lines during the dump"
with=$(counted CRIU_FAULT=138 CRIU_LIBS_DIR="$folder/criu-4.2.1/plugins/cuda" PATH="$folder/bin:$PATH")
echo "a frozen process, the CUDA plugin: it wrote $with lines during the dump"
[ "$without" -eq 0 ] || { echo "changed: CRIU without plugins let a frozen process run"; exit 1; }
[ "$with" -gt 0 ] || { echo "changed: the CUDA plugin left a frozen process frozen"; exit 1; }
