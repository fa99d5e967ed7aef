#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs of others that some tests and lint run against, into build/tools:
#
#   tools/peers.sh act|actionlint|minio|crane|registry|zizmor|cmarkgfm|mermaid...
#
# They are no packages of a distribution: made here where Go, Python or npm is at hand, else what
# wants them skips and says so. Instant when they are there already, or in PATH.
set -eu

# Charts must parse in the version that GitHub was last seen with, and in the newest.
mermaid='11.3.0 12.3.0'
jsdom=26.1.0

version_of() {
	case $1 in
	act) echo github.com/nektos/act@v0.2.89 ;;
	actionlint) echo github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 ;;
	minio) echo github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ;;
	crane) echo github.com/google/go-containerregistry/cmd/crane@v0.22.1 ;;
	registry) echo github.com/distribution/distribution/v3/cmd/registry@v3.0.0 ;;
	zizmor) echo zizmor==1.32.0 ;;
	cmarkgfm) echo cmarkgfm==2025.10.22 ;; # GitHub's own parser of Markdown, as a Python module
	mermaid) ;;
	*) echo "tools/peers.sh: unknown program '$1' (act actionlint minio crane registry zizmor cmarkgfm mermaid)" >&2
		return 2 ;;
	esac
}

# made COMMAND...: quietly; what failed is left out
made() {
	"$@" >build/tools/log 2>&1 && return
	tail -n 3 build/tools/log
	echo "$name could not be made: what wants it skips"
	return 1
}

go_program() {
	[ ! -x "build/tools/$name" ] || return 0
	! command -v "$name" >/dev/null || return 0
	command -v go >/dev/null || { echo "no $name and no Go here: what wants it skips"; return 0; }
	echo "  go    build/tools/$name ($1)"
	GOBIN=$(pwd)/build/tools made nice go install "$1" || :
}

# Each in an environment of its own: build/tools/py-NAME, and its program where it has one
python_package() {
	folder=build/tools/py-$name
	[ ! -e "$folder/done" ] || return 0
	! command -v "$name" >/dev/null || return 0
	echo "  pip   $folder ($1)"
	if made /usr/bin/python3 -m venv "$folder" &&
		made "$folder/bin/pip" install --quiet --disable-pip-version-check "$1"; then
		[ ! -x "$folder/bin/$name" ] || ln -sf "py-$name/bin/$name" "build/tools/$name"
		touch "$folder/done"
	fi
}

# build/tools/mermaid-VERSION/node_modules, with a document for it to work on
mermaid_versions() {
	for version in $mermaid; do
		folder=build/tools/mermaid-$version
		[ ! -e "$folder/done" ] || continue
		command -v npm >/dev/null || { echo "no npm here: charts are not parsed"; return 0; }
		echo "  npm   $folder"
		rm -rf "$folder"
		if made npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" \
			"mermaid@$version" "jsdom@$jsdom"; then
			touch "$folder/done"
		fi
	done
}

for name; do
	wanted=$(version_of "$name")
	mkdir -p build/tools
	case $name in
	mermaid) mermaid_versions ;;
	zizmor | cmarkgfm) python_package "$wanted" ;;
	*) go_program "$wanted" ;;
	esac
done
