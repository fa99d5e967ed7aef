#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A workflow of this repository with its actions named in full, for those who do not know `$/`
# (GitHub Enterprise Server, other runners of workflows):
#
#   tools/render-workflow.sh FILE OWNER/REPO@REF >FILE
#   tools/render-workflow.sh FILE . >FILE            paths of the work tree
set -eu

[ $# = 2 ] || { echo "usage: tools/render-workflow.sh FILE OWNER/REPO@REF|." >&2; exit 2; }
case $2 in
.) to='./\1' ;;
*/*@*) to="${2%@*}/\\1@${2##*@}" ;;
*) echo "tools/render-workflow.sh: '$2' is no OWNER/REPO@REF" >&2; exit 2 ;;
esac
sed "s|\\(uses: \\)\\\$/\\([^ ]*\\)|\\1$(printf %s "$to" | sed 's/\\1/\\2/')|" "$1"
