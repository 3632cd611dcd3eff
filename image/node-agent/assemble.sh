#!/bin/sh
# Assembles the files of the image from its context, in the build stage: assemble.sh CONTEXT OUT EPOCH
# The same context gives the same bytes, modes and times.
set -eu
umask 022
context=$1 out=$2 epoch=$3
tree=$out/usr/local/share/cedana-cdk/criu
mkdir -p "$tree/bin" "$tree/lib/criu" "$tree/libexec" "$tree/share/licences" "$out/usr/local/bin" "$out/usr/local/lib/cedana-cdk"

# packages.tsv: package, file of the package, path below it
while IFS='	' read -r package deb path; do
  files=/tmp/packages/$package
  [ -d "$files" ] || {
    mkdir -p "$files"
    dpkg-deb -x "$context/debs/$deb" "$files"
    mkdir -p "$tree/share/licences/$package"
    # Some packages link to the copyright file of another package of the same source.
    cp "$files/usr/share/doc/$package/copyright" "$tree/share/licences/$package/copyright"
  }
  case $path in
    */criu) install -m 0755 "$files/$path" "$tree/libexec/criu" ;;
    */ld-linux-*) install -m 0755 "$files/$path" "$tree/lib/${path##*/}" ;;
    *) install -m 0644 "$files/$path" "$tree/lib/${path##*/}" ;;
  esac
done < "$context/packages.tsv"
install -m 0755 "$context/criu.sh" "$tree/bin/criu"
install -m 0644 "$context/SOURCES" "$tree/share/licences/SOURCES"

# The program of the node, and the licences of its Go modules. The wrapper is a copy of it.
added=$context/added
[ ! -f "$added/cedana-node" ] || install -m 0755 "$added/cedana-node" "$tree/bin/cedana-node"
[ ! -d "$added/licences" ] || cp -R "$added/licences" "$tree/share/licences/go"

# Files that the user adds.
[ ! -f "$added/cuda_plugin.so" ] || install -m 0644 "$added/cuda_plugin.so" "$tree/lib/criu/cuda_plugin.so"
[ ! -f "$added/cuda-checkpoint" ] || install -m 0755 "$added/cuda-checkpoint" "$tree/bin/cuda-checkpoint"
for file in "$added"/cedana/*; do
  case ${file##*/} in
    '*') ;;
    *.so) install -m 0644 "$file" "$out/usr/local/lib/${file##*/}" ;;
    *) install -m 0755 "$file" "$out/usr/local/bin/${file##*/}" ;;
  esac
done
for name in agent.js agent.THIRD-PARTY-NOTICES.txt; do
  [ ! -f "$added/$name" ] || install -m 0644 "$added/$name" "$out/usr/local/lib/cedana-cdk/$name"
done

# The version is CRIU's and a hash of the content, so that equal versions mean equal trees.
cd "$tree"
find . -type f | LC_ALL=C sort | while read -r file; do sha256sum "${file#./}"; done > /tmp/SHA256SUMS
modes=$(find . -type f -perm -0100 | LC_ALL=C sort)
hash=$( (cat /tmp/SHA256SUMS; echo "$modes") | sha256sum | cut -c1-12)
install -m 0644 /tmp/SHA256SUMS SHA256SUMS
echo "$(cat "$context/criu-version")-$hash" > VERSION
# Fails the build if the tree cannot start.
bin/criu --version
# The diagnosis reports what this build container lacks, and does not fail before.
[ ! -f bin/cedana-node ] || bin/cedana-node --output json | grep -q '"findings"'

install -m 0755 "$context/node-agent.sh" "$out/usr/local/bin/cedana-node-agent"
find "$out" -exec touch -h -d "@$epoch" {} +
