#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looks at how programs are linked: position independent, RELRO with immediate binding, no
# executable stack; with --static also without an interpreter and stripped.
#
#   tools/check-program.sh [--static] PROGRAM...
set -eu

static=''
[ "${1:-}" != --static ] || { static=yes; shift; }
bad=0

wrong() {
	echo "$1: $2"
	bad=1
}

for program; do
	kind=$(file -b "$program")
	headers=$(readelf -lW "$program")
	dynamic=$(readelf -dW "$program")
	case $kind in
	ELF*' pie executable'*) ;;
	*) wrong "$program" "no position-independent program: $kind" ;;
	esac
	echo "$headers" | grep -q 'GNU_STACK .* RW ' || wrong "$program" "its stack is executable"
	echo "$headers" | grep -q GNU_RELRO || wrong "$program" "no RELRO"
	echo "$dynamic" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || wrong "$program" "no immediate binding"
	[ -n "$static" ] || continue
	case $kind in
	*'static-pie linked, stripped'*) ;;
	*) wrong "$program" "not static-pie and stripped: $kind" ;;
	esac
	! echo "$headers" | grep -q INTERP || wrong "$program" "asks for an interpreter"
done
exit $bad
