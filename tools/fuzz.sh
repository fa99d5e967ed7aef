#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzzers of tests/fuzz:
#
#   tools/fuzz.sh replay FOLDER    each on its seeds and on some thousand mutations of them
#   tools/fuzz.sh libfuzzer        each for FUZZ_SECONDS (60) with clang's libFuzzer, if it is there
#
# The seeds of fuzz_X.c are the files below tests/fuzz/seeds/X and tests/unit/data/X.
set -eu

seeds_of() {
	for folder in "tests/fuzz/seeds/$1" "tests/unit/data/$1"; do
		[ ! -d "$folder" ] || echo "$folder"
	done
}

replay() {
	for program in "$1"/fuzz_*; do
		[ -x "$program" ] || continue
		name=${program##*/fuzz_}
		# shellcheck disable=SC2046
		find /dev/null $(seeds_of "$name") -type f | sort |
			"$program" "${FUZZ_ROUNDS:-2000}" || {
			echo "  FAIL  fuzz_$name"
			exit 1
		}
		echo "  ok    fuzz_$name"
	done
}

libfuzzer() {
	clang=$(command -v clang-14 || command -v clang) ||
		{ echo "skipped: no clang, so no libFuzzer"; exit 0; }
	sanitize=-fsanitize=address,undefined
	make -s -j "$(nproc)" BUILD=build/fuzz CC="$clang" FUZZ=libfuzzer FORTIFY= \
		CFLAGS="-O1 -g $sanitize,fuzzer-no-link -fno-sanitize-recover=all" \
		FUZZ_LDFLAGS=-fsanitize=fuzzer fuzzers
	for program in build/fuzz/fuzz/fuzz_*; do
		name=${program##*/fuzz_}
		mkdir -p "build/fuzz/corpus/$name"
		# shellcheck disable=SC2046
		"$program" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -timeout=10 \
			-rss_limit_mb=2048 -verbosity=0 "build/fuzz/corpus/$name" $(seeds_of "$name")
		echo "  ok    fuzz_$name"
	done
}

case ${1:-} in
replay) replay "$2" ;;
libfuzzer) libfuzzer ;;
*) echo "usage: tools/fuzz.sh replay FOLDER | libfuzzer" >&2; exit 2 ;;
esac
