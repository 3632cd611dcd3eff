#!/bin/sh
# Runs CRIU with the loader and libraries of its tree. The tree can be in any directory of any host.
# Passes the libraries to the loader instead of setting LD_LIBRARY_PATH, so that host programs that CRIU starts (iptables,
# tar, ip) use the host's libraries.
program=$(readlink -f "$0") || exit 127
tree=${program%/bin/criu}
export CRIU_LIBS_DIR="${CRIU_LIBS_DIR:-$tree/lib/criu/}"
# cuda-checkpoint is in this directory if it was added; the host's programs take precedence.
export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}:$tree/bin"
exec "$tree"/lib/ld-linux-*.so.* --inhibit-cache --library-path "$tree/lib" --argv0 criu "$tree/libexec/criu" "$@"
