#!/bin/bash
# Checkpoints a process that counts on a GPU with a CRIU tree of the node agent image, restores it, and prints the result as one
# object of JSON.
#
# usage: checkpoint.sh TREE [--megabytes N]
#
#   TREE         directory with bin/criu and lib/criu/cuda_plugin.so, as /opt/cedana-cdk/current on a node, or the image's
#                /usr/local/share/cedana-cdk/criu. Build the image with --cuda-plugin and --cuda-checkpoint
#   --megabytes  memory of the process on the GPU, default 64
#
# Run it as root on a machine with a GPU of NVIDIA. It needs nvidia-smi, libcuda.so.1 and Python 3, and no container. The process
# is dumped and ended by the checkpoint, and ended again after the restore.
#
# exit code: 0 the restored process counted on, 1 it did not, 2 invalid arguments, 3 this machine lacks something
set -euo pipefail

die() { printf 'checkpoint.sh: %s\n' "$2" >&2; exit "$1"; }
usage() { sed -n '/^# usage:/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

tree='' megabytes=64
while [ $# -gt 0 ]; do
  case $1 in
    --megabytes)
      [[ ${2-} =~ ^[1-9][0-9]{0,5}$ ]] || usage
      megabytes=$2
      shift 2
      ;;
    -*) usage ;;
    *)
      [ -z "$tree" ] || usage
      tree=$1
      shift
      ;;
  esac
done
[ -n "$tree" ] || usage

[ "$(id -u)" -eq 0 ] || die 3 'root is needed: CRIU dumps a process of another session'
command -v nvidia-smi > /dev/null || die 3 'this machine has no GPU: nvidia-smi is missing; run the script on a machine with a driver of NVIDIA'
gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>&1 | head -n 1) || true
[[ $gpu == *', '* ]] || die 3 "this machine has no GPU: nvidia-smi reports: ${gpu:-nothing}"
command -v python3 > /dev/null || die 3 'python3 is missing: it runs count.py'
[ -x "$tree/bin/criu" ] || die 3 "$tree/bin/criu is missing: give the directory of an installed version"
plugin=$tree/lib/criu/cuda_plugin.so
[ -f "$plugin" ] || die 3 "$plugin is missing: build the image with --cuda-plugin"
cuda_checkpoint=$(PATH="$PATH:$tree/bin" command -v cuda-checkpoint) ||
  die 3 'cuda-checkpoint is missing: install it, or build the image with --cuda-checkpoint'

folder=$(mktemp -d)
pid=
# shellcheck disable=SC2329 # It is called by trap.
clean() {
  [ -z "$pid" ] || kill -9 "$pid" 2> /dev/null || true
  rm -rf "$folder"
}
trap clean EXIT
output=$folder/output

# Prints a string of JSON.
quoted() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"; }
last() { sed -n 's/^count //p' "$output" | tail -n 1; }
# The number after those that were printed before the checkpoint.
first_after() { sed -n 's/^count //p' "$output" | sed -n "$(($1 + 1))p"; }
lines() { grep -c '^count ' "$output" || true; }
# Waits until the process has printed more than N numbers; fails if it ends or prints an error.
counted() {
  for _ in $(seq 600); do
    [ "$(lines)" -le "$1" ] || return 0
    if grep -q '^error' "$output" || ! kill -0 "$pid" 2> /dev/null; then return 1; fi
    sleep 0.1
  done
  return 1
}

dumped=null restored=null before=null after=null
report() { # RESULT ERROR
  cat << END
{
  "result": "$1",
  "error": $(quoted "$2"),
  "gpu": $(quoted "${gpu%, *}"),
  "driver": $(quoted "${gpu##*, }"),
  "criu": $(quoted "$("$tree/bin/criu" --version 2> /dev/null | sed -n 's/^Version: //p')"),
  "cudaCheckpoint": $(quoted "$("$cuda_checkpoint" --help 2> /dev/null | sed -n 's/.*[Vv]ersion \([0-9.]*\).*/\1/p' | head -n 1)"),
  "kernel": $(quoted "$(uname -r)"),
  "megabytes": $megabytes,
  "dumpMilliseconds": $dumped,
  "restoreMilliseconds": $restored,
  "lastCountBefore": $before,
  "firstCountAfter": $after
}
END
  [ "$1" = passed ] || exit 1
}
# The first error of a log of CRIU.
first_error() { sed -n 's/^.*Error (\([^)]*\)): /\1: /p' "$1" 2> /dev/null | head -n 1; }
milliseconds() { date +%s%3N; }

: > "$output"
setsid python3 "$(dirname "$0")/count.py" "$megabytes" > "$output" 2>&1 < /dev/null &
pid=$!
# The shell must not report that the checkpoint ended it.
disown
counted 5 || report failed "the process does not count: $(tail -n 1 "$output")"

mkdir "$folder/images"
begin=$(milliseconds)
PATH="$PATH:$tree/bin" "$tree/bin/criu" dump --tree "$pid" --images-dir "$folder/images" --log-file dump.log -v4 > /dev/null 2>&1 ||
  report failed "the dump failed: $(first_error "$folder/images/dump.log")"
dumped=$(($(milliseconds) - begin))
before=$(last) printed=$(lines)
# CRIU restores the process with its number, which is free once the shell has waited for the dumped one.
for _ in $(seq 100); do
  kill -0 "$pid" 2> /dev/null || break
  sleep 0.1
done

begin=$(milliseconds)
PATH="$PATH:$tree/bin" "$tree/bin/criu" restore --restore-detached --pidfile "$folder/pid" --images-dir "$folder/images" --log-file restore.log -v4 > /dev/null 2>&1 ||
  report failed "the restore failed: $(first_error "$folder/images/restore.log")"
restored=$(($(milliseconds) - begin))
pid=$(cat "$folder/pid")
counted $((printed + 5)) || report failed "the restored process does not count: $(tail -n 1 "$output")"
after=$(first_after "$printed")
[ "$after" -eq $((before + 1)) ] || report failed "the restored process counted on at $after, not at $((before + 1))"
report passed ''
