#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the release programs again in another folder, libraries and all, and compares the bytes
# with those of build/dist:
#
#   tools/check-reproducible.sh
#
# Takes minutes. The fetched sources are used again. Exit 1 when a byte differs.
set -eu

make -s dist
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
twin=$there/a/rather/longer/folder/name
mkdir -p "$twin/build/deps"
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$twin"
cp -R build/deps/src "$twin/build/deps/"
# Absolute names of apt's private folder are in there: it is made anew when it is needed.
rm -rf "$twin/build/deps/src/apt"
# a copy knows no commit
make -s -C "$twin" dist "COMMIT=$(git rev-parse --short=12 HEAD)"

folder=build/dist/linux-$(uname -m)
same=0
for program in "$folder"/branchline*; do
	cmp "$program" "$twin/$program" || same=1
done
[ "$same" = 0 ] || { echo "two builds differ"; exit 1; }
echo "two builds in different folders gave the same bytes:"
cat "$folder/SHA256SUMS"
