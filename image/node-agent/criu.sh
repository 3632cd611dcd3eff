#!/bin/sh
# Runs CRIU with the loader and the libraries of its own tree, wherever the tree lies and whatever the host has.
# The libraries are given to the loader and not by LD_LIBRARY_PATH, so that the host's programs that CRIU starts (iptables, tar,
# ip) keep their own.
program=$(readlink -f "$0") || exit 127
tree=${program%/bin/criu}
export CRIU_LIBS_DIR="${CRIU_LIBS_DIR:-$tree/lib/criu/}"
# cuda-checkpoint lies beside this file if it was added; the host's own programs come first.
export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}:$tree/bin"
exec "$tree"/lib/ld-linux-*.so.* --inhibit-cache --library-path "$tree/lib" --argv0 criu "$tree/libexec/criu" "$@"
