#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs tests and says in one closing line how they went:
#
#   tools/test.sh [--unit FOLDER] [--e2e BIN [PYTEST ARGUMENT...]]
#
# --unit  every test program of FOLDER (cmocka), as many at once as there are cores
# --e2e   pytest on tests/e2e with the programs in BIN, one more at once than cores: they mostly wait;
#         must come last
#
# With TALLY=FILE the counts are appended there, for a sum over several calls. Exit 1 when a test
# failed or none ran.
set -eu

passed=0 failed=0 skipped=0
cores=$(nproc)

# run_one PROGRAM: leaves PROGRAM.log and, in PROGRAM.count, "passed failed skipped"
run_one() {
	status=0
	timeout --kill-after=5 300 "$1" >"$1.log" 2>&1 </dev/null || status=$?
	# cmocka closes with "[  PASSED  ] N test(s)." and the like
	count() { sed -n "s/^\[  $1  \] \([0-9]*\) test(s).*/\1/p" "$2" | tail -n 1; }
	ok=$(count PASSED "$1.log") bad=$(count FAILED "$1.log") not=$(count SKIPPED "$1.log")
	if [ "$status" != 0 ] && [ "${bad:-0}" = 0 ]; then
		echo "$1: ended with status $status before its summary" >>"$1.log"
		bad=1
	fi
	echo "${ok:-0} ${bad:-0} ${not:-0}" >"$1.count"
	if [ "${bad:-0}" != 0 ]; then
		cat "$1.log"
		echo "  FAIL  ${1##*/}"
	else
		# a reason for each skip, where the test printed one
		[ "${not:-0}" = 0 ] || grep -i 'skip' "$1.log" | grep -v '^\[' | sed 's/^/        /' || :
		echo "  ok    ${1##*/} (${ok:-0})"
	fi
}

run_unit() {
	programs=$(find "$1" -maxdepth 1 -name 'test_*' -type f -executable | sort)
	[ -n "$programs" ] || { echo "tools/test.sh: no test program in $1" >&2; failed=1; return; }
	rm -f "$1"/test_*.count
	printf '%s\n' "$programs" | xargs -P "$cores" -n 1 "$0" --one
	for program in $programs; do
		read -r ok bad not <"$program.count" || { ok=0 bad=1 not=0; }
		passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + not))
	done
}

attribute() {
	sed -n "s/.*<testsuite [^>]*$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

run_e2e() {
	BRANCHLINE_BIN=$(cd "$1" && pwd) || { failed=$((failed + 1)); return; }
	export BRANCHLINE_BIN
	shift
	[ -d tests/e2e ] || { echo "no tests/e2e yet"; return; }
	xml=$(mktemp)
	status=0
	build/venv/bin/python -m pytest -q -rfEs -n "$((cores + 1))" -p no:cacheprovider \
		--timeout=180 --junitxml="$xml" \
		tests/e2e "$@" || status=$?
	all=$(attribute tests "$xml") bad=$(attribute failures "$xml")
	broken=$(attribute errors "$xml") not=$(attribute skipped "$xml")
	rm -f "$xml"
	bad=$((${bad:-0} + ${broken:-0}))
	# 5: no test was chosen
	[ "$status" = 0 ] || [ "$status" = 5 ] || [ "$bad" != 0 ] || bad=1
	failed=$((failed + bad)) skipped=$((skipped + ${not:-0}))
	passed=$((passed + ${all:-0} - bad - ${not:-0}))
}

[ "${1:-}" != --one ] || { run_one "$2"; exit 0; }
while [ $# -gt 0 ]; do
	case $1 in
	--unit) run_unit "$2"; shift 2 ;;
	--e2e) shift; run_e2e "$@"; break ;;
	*) echo "tools/test.sh: unknown argument '$1'" >&2; exit 2 ;;
	esac
done

[ -z "${TALLY:-}" ] || echo "$passed $failed $skipped" >>"$TALLY"
[ $((passed + failed)) -gt 0 ] || { echo "tools/test.sh: no test ran" >&2; exit 1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
