#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the compiler does not check: form, layers, banned calls, static analysis.
#
#   tools/lint.sh [CHECK...]
#
# Runs every check (or those named) and lists all that it finds. Exit 1 when it found anything.
set -u
shopt -s nullglob

cd "$(dirname "$0")/.." || exit 70
mapfile -t all_c < <(git ls-files -co --exclude-standard '*.c' '*.h' | xargs ls -d 2>/dev/null)
product=()
for f in "${all_c[@]}"; do
	case $f in
	tests/*) ;;
	*) product+=("$f") ;;
	esac
done
found=0

# report FILE: fails the running check with the lines of FILE, if there are any
report() {
	[ -s "$1" ] || return 0
	cat "$1"
	return 1
}

# --- Form ------------------------------------------------------------------------------------

check_format() {
	local formatter
	# Another version lays out differently: only 14 decides (both supported systems offer it).
	formatter=$(command -v clang-format-14) ||
		{ echo "skipped: no clang-format-14 here"; return 0; }
	"$formatter" --dry-run -Werror "${all_c[@]}" 2>&1 | grep -E 'error:' |
		sed 's/error: code should be clang-formatted.*/not formatted: run make format/' |
		awk -F: '!seen[$1]++' >"$tmp"
	report "$tmp"
}

check_spdx() {
	local f
	git ls-files -co --exclude-standard '*.c' '*.h' '*.sh' '*.py' Makefile .ci/run | while read -r f; do
		[ ! -s "$f" ] || head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			echo "$f: no SPDX line"
	done >"$tmp"
	report "$tmp"
}

check_width() {
	local f
	for f in "${all_c[@]}"; do
		expand -t 8 "$f" | awk -v f="$f" 'length($0) > 100 { print f ":" NR ": " length($0) " columns" }
			/[ ]$/ { print f ":" NR ": blank at the end" }' # expand turns tabs to blanks
		grep -nP '//(?!.*")' "$f" | grep -vE 'https?://|s3://|file://|run://|[a-z0-9]+://' |
			grep -vE '"[^"]*//[^"]*"|/\*.*//|^\d+:\s*\*' | sed "s|^|$f:|; s|\$|  (use /* */)|"
	done >"$tmp"
	report "$tmp"
}

# A function of 60 lines, a file of 400: past that there is a seam to find.
check_size() {
	local f n
	for f in "${product[@]}"; do
		n=$(wc -l <"$f")
		[ "$n" -le 400 ] || echo "$f: $n lines (at most 400)"
	done >"$tmp"
	ctags --quiet=yes --languages=C --langmap=C:.c.h --c-kinds=f --fields=+ne --sort=no -f - \
		"${product[@]}" | awk -F'\t' '{
		line = end = 0
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) line = substr($i, 6)
			if ($i ~ /^end:/) end = substr($i, 5)
		}
		if (end - line + 1 > 60)
			print $2 ":" line ": " $1 "() has " end - line + 1 " lines (at most 60)"
	}' >>"$tmp"
	report "$tmp"
}

check_shell() {
	command -v shellcheck >/dev/null || { echo "skipped: no shellcheck here"; return 0; }
	git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck -x >"$tmp" 2>&1
	report "$tmp"
}

# Workflows as actionlint can read them: it does not know `$/` yet, and of `./` it compares the inputs.
check_workflows() {
	local program there f
	program=$(command -v actionlint || realpath -e build/tools/actionlint 2>/dev/null) ||
		{ echo "skipped: no actionlint here"; return 0; }
	there=$(mktemp -d)
	mkdir -p "$there/.git" "$there/.github/workflows"
	cp -R actions "$there/"
	for f in .github/workflows/*.yml; do
		tools/render-workflow.sh "$f" . >"$there/$f"
	done
	(cd "$there" && "$program" -no-color -oneline .github/workflows/*.yml) >"$tmp" 2>&1
	rm -rf "$there"
	report "$tmp"
}

check_actions() {
	local program
	program=$(command -v zizmor || realpath -e build/tools/zizmor 2>/dev/null) ||
		{ echo "skipped: no zizmor here"; return 0; }
	# it says that it cannot read our shell, which no input or expression reaches
	"$program" --offline --no-progress --quiet --persona pedantic --format plain \
		.github actions >"$tmp" 2>&1 && return 0
	cat "$tmp"
	return 1
}

# --- Rules of the house ----------------------------------------------------------------------

# Comments and texts may name them: both are removed before the search.
without_comments() {
	"${CC:-gcc}" -fpreprocessed -dD -E -P -w -x c "$1" 2>/dev/null | sed 's/"\([^"\\]\|\\.\)*"/""/g'
}

check_banned() {
	local f
	for f in "${all_c[@]}"; do
		without_comments "$f" | grep -nowE \
			'(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|system|popen|alloca|setlocale|strncpy|strncat)[[:space:]]*\(' |
			sed "s|^[0-9]*:|$f: banned call: |"
	done >"$tmp"
	# The library neither prints nor exits; log.c is where messages leave.
	for f in "${product[@]}"; do
		case $f in
		lib/base/log.c | lib/base/failpoint.c) continue ;;
		lib/*) ;;
		*) continue ;;
		esac
		without_comments "$f" | grep -nowE '(printf|puts|putchar|perror|exit|abort)[[:space:]]*\(' |
			sed "s|^[0-9]*:|$f: not in the library: |"
	done >>"$tmp"
	report "$tmp"
}

layers='base codec net aws run'

rank() {
	local i=0 l
	for l in $layers; do
		i=$((i + 1))
		[ "$l" != "$1" ] || { echo $i; return; }
	done
	echo 0
}

check_layers() {
	local f own inc want
	for f in lib/*/*.[ch]; do
		own=$(echo "$f" | cut -d/ -f2)
		[ "$(rank "$own")" != 0 ] || echo "$f: lib/$own is no layer (${layers// / < })"
		sed -n 's/^# *include *"\([^"]*\)".*/\1/p' "$f" | while read -r inc; do
			want=$(rank "${inc%%/*}")
			[ "$want" != 0 ] || { echo "$f: includes \"$inc\", which is no layer of lib/"; continue; }
			[ "$want" -le "$(rank "$own")" ] || echo "$f: includes \"$inc\" of a higher layer"
		done
	done >"$tmp"
	report "$tmp"
}

# Each third-party library is known to exactly one file.
check_third_party() {
	local header files
	for header in jansson.h yaml.h git2 openssl/ zlib.h curl/ expat.h pcre2.h; do
		mapfile -t files < <(grep -lE "^# *include *<$header" "${product[@]}")
		[ ${#files[@]} -le 1 ] || echo "<$header> is included in ${#files[@]} files: ${files[*]}"
		for f in "${files[@]}"; do
			case $f in
			lib/*.c | lib/*/*_parts.h) ;;
			*) echo "$f: <$header> belongs into one file of lib/" ;;
			esac
		done
	done >"$tmp"
	report "$tmp"
}

# A header that only its own module's files include (config_parts.h by config_*.c) is internal.
is_internal() {
	local name word f
	name=$(basename "$1")
	word=${name%%[_.]*}
	while read -r f; do
		f=$(basename "$f")
		[ "${f%%[_.]*}" = "$word" ] || return 1
	done < <(grep -lF "\"${1#lib/}\"" "${product[@]}")
}

# What can fail is tried in a unit test.
check_tested() {
	local h name
	for h in lib/*/*.h; do
		! is_internal "$h" || continue
		without_comments "$h" | tr '\n' ' ' | sed 's/[;{}]/\n/g' | grep -v typedef |
			grep -P '(?<!const )struct bl_err \*err' | grep -oP '\bbl_\w+(?=\()' |
			sort -u | while read -r name; do
			grep -qsw "$name" tests/unit/*.c || echo "$h: $name() is in no tests/unit/*.c"
		done
	done >"$tmp"
	report "$tmp"
}

# docs/configuration.md is what the key table says.
check_docs() {
	[ -e docs/configuration.md ] || { echo "skipped: no docs/configuration.md yet"; return 0; }
	build/bin/branchline config --docs 2>&1 | diff -u docs/configuration.md - >"$tmp" && return 0
	echo "docs/configuration.md is not what the key table says; run: build/bin/branchline config --docs >docs/configuration.md"
	head -n 40 "$tmp"
	return 1
}

# --- Analysis --------------------------------------------------------------------------------

# It does not know clean-up by attribute: leaks are left to the sanitizers.
check_cppcheck() {
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingInclude --suppress=memleak --suppress=resourceLeak \
		-D_GNU_SOURCE -DBL_VERSION='""' -Ilib -I. -j "$(nproc)" \
		lib runner actions >"$tmp" 2>&1 && return 0
	report "$tmp"
}

# Warnings are errors here, whatever the build says of them. Leaks are left to the sanitizers: gcc
# 12 does not know who takes ownership in another file.
check_analyzer() {
	# shellcheck disable=SC2016 # make's variables
	CI=true make --no-print-directory -s -k -j "$(nproc)" BUILD=build/analyze \
		EXTRA='-fanalyzer -Wno-analyzer-malloc-leak $(if $(filter lib/base/err.c,$<),,-include tools/analyzer.h)' \
		all >"$tmp" 2>&1 && return 0
	grep -E 'error:|warning:' "$tmp" | sort -u | head -n 60
	return 1
}

check_programs() {
	tools/check-program.sh build/bin/branchline build/bin/branchline-runner >"$tmp" 2>&1 && return 0
	report "$tmp"
}

checks=(format spdx width size shell workflows actions banned layers third_party tested docs cppcheck analyzer programs)
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
[ $# -gt 0 ] || set -- "${checks[@]}"
for check; do
	if said=$("check_$check" 2>&1); then
		echo "  ok    $check${said:+ ($said)}"
	else
		echo "$said"
		echo "  FAIL  $check"
		found=$((found + 1))
	fi
done
[ "$found" = 0 ] || { echo "lint: $found of $# checks found something"; exit 1; }
echo "lint: $# checks, nothing found"
