#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo: three real training runs on this machine and their report.
#
#   tools/demo.sh [BIN]        BIN: folder of branchline and branchline-runner (build/bin)
#
# 1 trains with the learning rate of branchline.yaml: the baseline
# 2 trains with a higher one, and reports against 1
# 3 as 2, but its supervisor is killed (SIGKILL) half-way; --resume goes on from its checkpoint
#
# Everything is written below build/demo, which is made anew. Exit 0, or 1 with one line that says
# what failed.
set -eu

bin=${1:-build/bin}
demo=build/demo
store=$demo/store
rate=0.004
steps=400               # branchline.yaml: hyperparameters.max_steps
patience=300            # seconds that half a run may take

now() { date +%s; }
say() { printf '\n[%3d s] %s\n' "$(($(now) - began))" "$*"; }

fail() {
	echo "demo: $*" >&2
	exit 1
}

# The interpreter that has PyTorch: the distribution's, else the one in build/venv. It becomes
# `python3` for branchline.yaml's command.
find_python() {
	for python in /usr/bin/python3 build/venv/bin/python3; do
		"$python" -c 'import torch' 2>/dev/null && break
		python=
	done
	if [ -z "$python" ]; then
		tools/venv.sh torch || fail "no PyTorch: tools/venv.sh says why, above"
		python=build/venv/bin/python3
	fi
	PATH=$(cd "${python%/*}" && pwd):$PATH
	export PATH
}

branchline() {
	"$bin/branchline" "$@" --store "$store"
}

# The newest run: names begin with their time.
newest_run() {
	run=$(find "$store/runs" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort | tail -n 1)
	[ -n "$run" ] || fail "no run in $store"
	echo "${run##*/}"
}

train() {
	branchline local "$@" || fail "training failed: branchline local $* (exit $?)"
}

# half_done RUN: a published checkpoint holds a step of the second half.
half_done() {
	cat "$store/runs/$1/checkpoints/"*.manifest.json 2>/dev/null |
		grep -o 'step-[0-9]*\.pt' | tr -cd '0-9\n' |
		awk -v half=$((steps / 2)) '$1 + 0 >= half { found = 1 } END { exit !found }'
}

owner_pid() {
	grep -o '"pid": *[0-9]*' "$store/runs/$1/attempts/001.json" | tr -cd '0-9\n' | head -n 1
}

# Starts a run and kills its host half-way by SIGKILL, so that nothing can write an end or save.
train_until_killed() {
	before=$(newest_run)
	"$bin/branchline" local "$@" --store "$store" >"$demo/killed.log" 2>&1 &
	launcher=$!
	limit=$(($(now) + patience))
	until run=$(newest_run) && [ "$run" != "$before" ] && half_done "$run"; do
		kill -0 "$launcher" 2>/dev/null ||
			fail "the third run ended before it could be killed: see $demo/killed.log"
		[ "$(now)" -lt "$limit" ] ||
			fail "no checkpoint of step $((steps / 2)) after $patience s: see $demo/killed.log"
		sleep 0.1
	done
	host=$(owner_pid "$run")
	kill -9 "$host" || fail "cannot kill host $host of $run"
	status=0
	wait "$launcher" || status=$?
	launcher=''
	tail -n 3 "$demo/killed.log"
	[ $status = 75 ] || fail "a killed run ended with exit $status, not 75: see $demo/killed.log"
}

write_reports() {
	for format in md html; do
		branchline report "$1" --baseline "$2" --format $format -o "$3.$format" ||
			fail "cannot report on $1"
	done
	echo
	echo "against the baseline:"
	branchline report "$1" --baseline "$2" --format term | sed -n 1p
}

# take_picture PAGE PICTURE: by headless Chromium where there is one; without network.
take_picture() {
	for browser in chromium chromium-browser google-chrome; do
		command -v "$browser" >/dev/null && break
		browser=
	done
	[ -n "$browser" ] || { echo "no Chromium here: no $2"; return; }
	alone='unshare --net'
	$alone true 2>/dev/null || alone=''     # needs privileges
	# shellcheck disable=SC2086 # two words or none
	timeout 60 $alone "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--user-data-dir="$demo/chromium" --window-size=1000,1560 --virtual-time-budget=3000 \
		--screenshot="$2" "file://$PWD/$1" >"$demo/chromium.log" 2>&1 || :
	rm -rf "$demo/chromium"
	[ -s "$2" ] || echo "Chromium made no picture: see $demo/chromium.log"
}

# A background job does not see Ctrl-C by itself.
launcher=''
trap '[ -z "$launcher" ] || kill "$launcher" 2>/dev/null || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

began=$(now)
[ -x "$bin/branchline" ] || fail "no $bin/branchline: run make first"
rm -rf "$demo"
mkdir -p "$demo"

say "data: questions and answers from Python's own documentation"
find_python
python3 trainer-image/make_data.py "$demo/data" || fail "cannot make the data"

say "run 1 of 3: learning rate 0.001, the baseline"
train
first=$(newest_run)

say "run 2 of 3: learning rate $rate"
train --param lr=$rate
second=$(newest_run)
write_reports "$second" "$first" "$demo/report-2"

say "run 3 of 3: as run 2, killed half-way ..."
train_until_killed --param lr=$rate
third=$run

say "... and resumed: branchline local --resume $third"
train --resume "$third"
write_reports "$third" "$first" "$demo/report"
take_picture "$demo/report.html" "$demo/report.png"

say "done. Look at:"
for file in report.md report.html report.png report-2.md report-2.html; do
	[ ! -s "$demo/$file" ] || echo "  $demo/$file"
done
