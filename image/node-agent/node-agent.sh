#!/bin/sh
# What the node agent image runs. Lays the CRIU tree of this image into a folder of the host, and takes it away again.
#
# usage: cedana-node-agent install FOLDER [--link FILE]... [--proc FOLDER]
#        cedana-node-agent prune FOLDER [--proc FOLDER]
#        cedana-node-agent uninstall FOLDER
#        cedana-node-agent list FOLDER
#        cedana-node-agent version
#        cedana-node-agent criu ARGUMENT...
#        cedana-node-agent agent ARGUMENT...
#
#   install    lays the tree at FOLDER/versions/VERSION, checks it, lets FOLDER/current point to it, and removes the versions that
#              no process runs from; the one that was current until then goes with the next install, as it may just be started.
#              Laid already and whole: nothing is copied. Killed at any point, FOLDER/current is the old version or the new one,
#              whole; the next install takes away what was left half done.
#   --link     also a link FILE to FOLDER/current/bin/criu, such as /host/usr/local/sbin/criu, where a container runtime looks for
#              CRIU. It is relative: FILE and FOLDER must be given below the same mount point of the host's /. A file there that is
#              not such a link is left alone, and nothing is installed.
#   --proc     the host's /proc, if it is not this container's /proc (default): where "runs from" is looked up
#   prune      only removes versions that are not current and not in use
#   uninstall  takes away all of FOLDER that install made, and the links
#   list       versions in FOLDER; * marks the current one
#   criu       runs this image's CRIU
#   agent      runs the agent program, if the image was built with it
#
# exit code: 0 done, 1 failed, 2 wrong arguments
set -eu
umask 022
self=$(readlink -f "$0")
prefix=${self%/bin/*}
tree=$prefix/share/cedana-cdk/criu
agent=$prefix/lib/cedana-cdk/agent.js

say() { printf '%s\n' "$*"; }
die() { printf 'cedana-node-agent: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '/^# usage:/,/^set/s/^# \{0,1\}//p' "$self" >&2; exit 2; }

# One at a time: two containers of one node may overlap while a DaemonSet is updated. The kernel lets go of the lock of a killed one.
lock() {
  exec 9> "$1/.lock"
  flock -w 120 9 || die "$1 is held by another install for more than 120 s"
}

# Holds all of this image's tree, and can be run.
whole() {
  cmp -s "$tree/SHA256SUMS" "$1/SHA256SUMS" && cmp -s "$tree/VERSION" "$1/VERSION" && [ -x "$1/bin/criu" ] &&
    [ -x "$1/libexec/criu" ] && (cd "$1" && sha256sum --quiet --strict -c SHA256SUMS) > /dev/null 2>&1
}

# A process runs from a version as long as it has one of its files mapped.
# -q: with it a process that ends meanwhile does not hide one that is found.
in_use() { grep -qsF "/versions/$1/" "$proc"/[0-9]*/maps; }

current() { target=$(readlink "$1/current" 2> /dev/null) && printf '%s' "${target#versions/}"; }

# The path of the first as seen from the folder of the second.
seen_from() { realpath -m -s --relative-to="$(dirname "$2")" "$1"; }

# replace LINK TARGET: in one step, so that nobody sees it missing.
replace() {
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# A link is ours if it leads to this folder's current version.
ours() { [ -L "$1" ] && [ "$(readlink "$1")" = "$(seen_from "$2/current/bin/criu" "$1")" ]; }

lay() { # FOLDER VERSION
  mkdir -p "$1/versions"
  rm -rf "$1"/versions/.new.* "$1"/versions/.old.*
  [ ! -d "$1/versions/$2" ] || { whole "$1/versions/$2" && return; }
  new=$1/versions/.new.$2
  cp -R "$tree" "$new"
  whole "$new" || die "the copy at $new is not whole: is the disk full?"
  sync -f "$new"
  if [ -d "$1/versions/$2" ]; then
    say "$2 is damaged: laid anew"
    # A folder cannot be renamed over another one, so this mends file by file; each is old or new, never missing.
    (cd "$new" && find . -type d) | while read -r folder; do mkdir -p "$1/versions/$2/$folder"; done
    (cd "$new" && find . -type f) | while read -r file; do mv -fT "$new/$file" "$1/versions/$2/$file"; done
    rm -rf "$new"
    whole "$1/versions/$2" || die "$1/versions/$2 cannot be mended: remove it"
  else
    mv -T "$new" "$1/versions/$2"
  fi
  sync -f "$1/versions"
}

prune() { # FOLDER [VERSION], which is kept as well
  keep=$(current "$1") || keep=
  for version in "$1"/versions/*; do
    version=${version##*/}
    case $version in "$keep" | '*') continue ;; esac
    if [ "$version" = "${2-}" ]; then
      say "$version was current until now: kept until the next install"
      continue
    fi
    if in_use "$version"; then
      say "$version is in use: kept"
      continue
    fi
    mv -T "$1/versions/$version" "$1/versions/.old.$version"
    rm -rf "$1/versions/.old.$version"
    say "$version is not in use: removed"
  done
}

install_tree() { # FOLDER, and $links
  version=$(cat "$tree/VERSION")
  mkdir -p "$1"
  lock "$1"
  for link in $links; do
    [ -d "$(dirname "$link")" ] || die "--link $link: $(dirname "$link") is no folder; mount it, or leave the link off"
    [ ! -e "$link" ] && [ ! -L "$link" ] || ours "$link" "$1" ||
      die "--link $link: something else is there; remove it, or leave the link off. Nothing was installed"
  done
  lay "$1" "$version"
  previous=$(current "$1") || previous=
  [ "$previous" = "$version" ] || replace "$1/current" "versions/$version"
  for link in $links; do
    # Written down first: a link that is not known could not be taken away.
    back=$(seen_from "$link" "$1/links")
    grep -qsxF "$back" "$1/links" || {
      { cat "$1/links" 2> /dev/null || true; printf '%s\n' "$back"; } > "$1/links.new"
      mv -T "$1/links.new" "$1/links"
    }
    ours "$link" "$1" || replace "$link" "$(seen_from "$1/current/bin/criu" "$link")"
  done
  sync -f "$1"
  say "$version is current in $1"
  prune "$1" "$previous"
}

uninstall() { # FOLDER
  [ -d "$1" ] || { say "$1 is not there"; return; }
  lock "$1"
  if [ -f "$1/links" ]; then
    while read -r back; do
      link=$(realpath -m -s "$1/$back")
      [ -d "$(dirname "$link")" ] || die "the link $link was made too, and its folder is not mounted here. Nothing was removed"
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
  rmdir "$1" 2> /dev/null || [ -n "$(ls -A "$1")" ] || say "$1 is empty and cannot be removed: is it a mount point?"
  [ -z "$(ls -A "$1" 2> /dev/null)" ] || say "$1 has files of others: left there"
  say "removed from $1"
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

folder='' links='' proc=/proc
while [ $# -gt 0 ]; do
  case $1 in
    --link)
      if [ "$command" != install ] || [ $# -lt 2 ]; then usage; fi
      case $2 in *[[:space:]]*) die "--link must be a path without blanks, given '$2'" ;; esac
      links="$links $2"
      shift 2
      ;;
    --proc) [ $# -gt 1 ] || usage; proc=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$folder" ] || usage; folder=$1; shift ;;
  esac
done
case $folder in
  /*[!/]*) folder=$(realpath -m -s "$folder") ;;
  *) die "the folder must be an absolute path, given '$folder'" ;;
esac
for link in $links; do
  case $link in /*) ;; *) die "--link must be an absolute path, given '$link'" ;; esac
done

case $command in
  install) install_tree "$folder" ;;
  uninstall) uninstall "$folder" ;;
  prune) [ -d "$folder" ] || die "$folder is not there"; lock "$folder"; prune "$folder" ;;
  list)
    now=$(current "$folder") || now=
    for version in "$folder"/versions/*; do
      version=${version##*/}
      case $version in '*') ;; "$now") say "* $version" ;; *) say "  $version" ;; esac
    done
    ;;
esac
