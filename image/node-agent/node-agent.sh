#!/bin/sh
# Entry point of the node agent image. Installs the CRIU tree of this image into a directory of the host, and uninstalls it.
#
# usage: cedana-node-agent install DIRECTORY [--link FILE]... [--wrapper FILE] [--proc DIRECTORY]
#        cedana-node-agent prune DIRECTORY [--proc DIRECTORY]
#        cedana-node-agent uninstall DIRECTORY
#        cedana-node-agent list DIRECTORY
#        cedana-node-agent version
#        cedana-node-agent criu ARGUMENT...
#        cedana-node-agent agent ARGUMENT...
#
#   install    copies the tree to DIRECTORY/versions/VERSION, verifies it, points DIRECTORY/current to it, and removes versions
#              that no process uses. The previous version is removed by the next install, because a process may just start
#              from it. A complete version is not copied again. If install is killed, DIRECTORY/current is the complete old or
#              new version, and the next install removes leftovers.
#   --link     also creates FILE, a link to DIRECTORY/current/bin/criu, such as /host/usr/local/sbin/criu, where container
#              runtimes find CRIU. The link is relative: FILE and DIRECTORY must be below the same mount point of the host's /.
#              If FILE exists and is not such a link, it is kept and nothing is installed.
#   --wrapper  also copies the OCI runtime wrapper to FILE, such as /host/usr/local/bin/cedana-runc. FILE is replaced atomically.
#              uninstall keeps it: containerd calls it until no container of its runtime handler is left.
#   --proc     the host's /proc, to find out which versions are in use. Default: /proc of this container
#   prune      removes versions that are neither current nor in use
#   uninstall  removes everything that install created in DIRECTORY, and the links; keeps the wrapper
#   list       lists the versions in DIRECTORY; * marks the current one
#   criu       runs the CRIU of this image
#   agent      runs the agent program, if the image was built with it
#
# exit code: 0 success, 1 failure, 2 invalid arguments
set -eu
umask 022
self=$(readlink -f "$0")
prefix=${self%/bin/*}
tree=$prefix/share/cedana-cdk/criu
agent=$prefix/lib/cedana-cdk/agent.js

info() { printf '%s\n' "$*"; }
die() { printf 'cedana-node-agent: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '/^# usage:/,/^set/s/^# \{0,1\}//p' "$self" >&2; exit 2; }

# Serializes installs: two containers can overlap on a node during a DaemonSet update. The kernel releases the lock of a killed one.
lock() {
  exec 9> "$1/.lock"
  flock -w 120 9 || die "another install has locked $1 for more than 120 s"
}

# Succeeds if the directory contains the complete tree of this image.
is_complete() {
  cmp -s "$tree/SHA256SUMS" "$1/SHA256SUMS" && cmp -s "$tree/VERSION" "$1/VERSION" && [ -x "$1/bin/criu" ] &&
    [ -x "$1/libexec/criu" ] && (cd "$1" && sha256sum --quiet --strict -c SHA256SUMS) > /dev/null 2>&1
}

# Succeeds if a process has a file of the version mapped.
# -q: without it, a process that ends during the search would turn a match into an error.
in_use() { grep -qsF "/versions/$1/" "$proc"/[0-9]*/maps; }

current() { target=$(readlink "$1/current" 2> /dev/null) && printf '%s' "${target#versions/}"; }

# Prints the path of the first file relative to the directory of the second.
relative_to() { realpath -m -s --relative-to="$(dirname "$2")" "$1"; }

# replace LINK TARGET: replaces the link atomically.
replace() {
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# Succeeds if the link points to the current version of the directory.
ours() { [ -L "$1" ] && [ "$(readlink "$1")" = "$(relative_to "$2/current/bin/criu" "$1")" ]; }

copy_tree() { # DIRECTORY VERSION
  mkdir -p "$1/versions"
  rm -rf "$1"/versions/.new.* "$1"/versions/.old.*
  [ ! -d "$1/versions/$2" ] || { is_complete "$1/versions/$2" && return; }
  new=$1/versions/.new.$2
  cp -R "$tree" "$new"
  is_complete "$new" || die "the copy at $new is incomplete. The disk may be full"
  sync -f "$new"
  if [ -d "$1/versions/$2" ]; then
    info "$2 is damaged: repaired"
    # A directory cannot replace another one by rename: replace file by file, so that none is ever missing.
    (cd "$new" && find . -type d) | while read -r each; do mkdir -p "$1/versions/$2/$each"; done
    (cd "$new" && find . -type f) | while read -r file; do mv -fT "$new/$file" "$1/versions/$2/$file"; done
    rm -rf "$new"
    is_complete "$1/versions/$2" || die "$1/versions/$2 cannot be repaired: remove it"
  else
    mv -T "$new" "$1/versions/$2"
  fi
  sync -f "$1/versions"
}

prune() { # DIRECTORY [VERSION]: keeps this version too
  keep=$(current "$1") || keep=
  for version in "$1"/versions/*; do
    version=${version##*/}
    case $version in "$keep" | '*') continue ;; esac
    if [ "$version" = "${2-}" ]; then
      info "$version was current until now: kept until the next install"
      continue
    fi
    if in_use "$version"; then
      info "$version is in use: kept"
      continue
    fi
    mv -T "$1/versions/$version" "$1/versions/.old.$version"
    rm -rf "$1/versions/.old.$version"
    info "$version is not in use: removed"
  done
}

install_tree() { # DIRECTORY; reads $links and $wrapper
  version=$(cat "$tree/VERSION")
  mkdir -p "$1"
  lock "$1"
  for link in $links; do
    [ -d "$(dirname "$link")" ] || die "--link $link: $(dirname "$link") is not a directory; mount it, or omit --link"
    [ ! -e "$link" ] && [ ! -L "$link" ] || ours "$link" "$1" ||
      die "--link $link: another file is in this place; remove it, or omit --link. Nothing was installed"
  done
  [ -z "$wrapper" ] || install_wrapper "$wrapper"
  copy_tree "$1" "$version"
  previous=$(current "$1") || previous=
  [ "$previous" = "$version" ] || replace "$1/current" "versions/$version"
  for link in $links; do
    # Record the link before it is created: uninstall removes only recorded links.
    back=$(relative_to "$link" "$1/links")
    grep -qsxF "$back" "$1/links" || {
      { cat "$1/links" 2> /dev/null || true; printf '%s\n' "$back"; } > "$1/links.new"
      mv -T "$1/links.new" "$1/links"
    }
    ours "$link" "$1" || replace "$link" "$(relative_to "$1/current/bin/criu" "$link")"
  done
  sync -f "$1"
  info "$version is current in $1"
  prune "$1" "$previous"
}

# Copies the wrapper. A file that runs cannot be written, so the copy replaces it by a rename.
install_wrapper() { # FILE
  [ -x "$tree/bin/cedana-node" ] || die "--wrapper $1: this image was built without the programs of the node. Nothing was installed"
  [ -d "$(dirname "$1")" ] || die "--wrapper $1: $(dirname "$1") is not a directory; mount it, or omit --wrapper"
  ! cmp -s "$tree/bin/cedana-node" "$1" || return 0
  if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then die "--wrapper $1: is not a regular file; remove it. Nothing was installed"; fi
  install -m 0755 "$tree/bin/cedana-node" "$1.new"
  sync -f "$1.new"
  mv -T "$1.new" "$1"
  info "$1 was installed"
}

uninstall() { # DIRECTORY
  [ -d "$1" ] || { info "$1 does not exist"; return; }
  lock "$1"
  if [ -f "$1/links" ]; then
    while read -r back; do
      link=$(realpath -m -s "$1/$back")
      [ -d "$(dirname "$link")" ] || die "the directory of the link $link is not mounted. Nothing was removed"
    done < "$1/links"
    while read -r back; do
      link=$(realpath -m -s "$1/$back")
      rm -f "$link.new"
      if ours "$link" "$1"; then rm -f "$link"; fi
    done < "$1/links"
  fi
  rm -f "$1/current" "$1/current.new"
  rm -rf "$1/versions"
  rm -f "$1/links" "$1/links.new" "$1/.lock"
  rmdir "$1" 2> /dev/null || [ -n "$(ls -A "$1")" ] || info "$1 is empty and cannot be removed. It may be a mount point"
  [ -z "$(ls -A "$1" 2> /dev/null)" ] || info "$1 has other files: kept"
  info "removed from $1"
}

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
  version) cat "$tree/VERSION"; exit ;;
  criu) exec "$tree/bin/criu" "$@" ;;
  agent)
    [ -f "$agent" ] || die "this image was built without the agent program"
    exec node "$agent" "$@"
    ;;
  install | prune | uninstall | list) ;;
  *) usage ;;
esac

directory='' links='' wrapper='' proc=/proc
while [ $# -gt 0 ]; do
  case $1 in
    --link)
      if [ "$command" != install ] || [ $# -lt 2 ]; then usage; fi
      case $2 in *[[:space:]]*) die "--link must be a path without spaces, given '$2'" ;; esac
      links="$links $2"
      shift 2
      ;;
    --wrapper)
      if [ "$command" != install ] || [ $# -lt 2 ]; then usage; fi
      wrapper=$2
      shift 2
      ;;
    --proc) [ $# -gt 1 ] || usage; proc=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$directory" ] || usage; directory=$1; shift ;;
  esac
done
case $directory in
  /*[!/]*) directory=$(realpath -m -s "$directory") ;;
  *) die "the directory must be an absolute path, given '$directory'" ;;
esac
for link in $links; do
  case $link in /*) ;; *) die "--link must be an absolute path, given '$link'" ;; esac
done

case $wrapper in '' | /*) ;; *) die "--wrapper must be an absolute path, given '$wrapper'" ;; esac

case $command in
  install) install_tree "$directory" ;;
  uninstall) uninstall "$directory" ;;
  prune) [ -d "$directory" ] || die "$directory does not exist"; lock "$directory"; prune "$directory" ;;
  list)
    now=$(current "$directory") || now=
    for version in "$directory"/versions/*; do
      version=${version##*/}
      case $version in '*') ;; "$now") info "* $version" ;; *) info "  $version" ;; esac
    done
    ;;
esac
