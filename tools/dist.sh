#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts the static programs where releases and the actions' tests look for them:
#
#   tools/dist.sh BUILT FOLDER        for example build/dist/obj/bin build/dist/linux-x86_64
#
# FOLDER and the untracked actions/bin/linux-ARCH/ then hold the programs and SHA256SUMS.
set -eu

built=$1 folder=$2
actions=actions/bin/$(basename "$folder")

tools/check-program.sh --static "$built"/*
for to in "$folder" "$actions"; do
	rm -rf "$to"
	mkdir -p "$to"
	cp "$built"/* "$to/"
	# what push-image wants to know of its runner at every push
	"$to/branchline" push-image --describe-runner >"$to/branchline-runner.layer"
	(cd "$to" && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)
done
# They start: musl and the corrected specs agree.
for program in "$folder"/branchline "$folder"/branchline-runner; do
	status=0
	"$program" --help </dev/null >/dev/null 2>&1 || status=$?
	[ "$status" -lt 126 ] || { echo "tools/dist.sh: $program --help: status $status" >&2; exit 1; }
done
(cd "$folder" && wc -c -- branchline* | sed '/total$/d; s|^|  dist |') | sed "s|\$|  in $folder|"
