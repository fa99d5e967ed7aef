#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs of others that some tests run against, into build/tools:
#
#   tools/peers.sh act|minio|crane|registry...
#
# They are no packages of a distribution: built here where a Go compiler is at hand, else the tests
# that want them skip and say so. Instant when they are there already, or in PATH.
set -eu

version_of() {
	case $1 in
	act) echo github.com/nektos/act@v0.2.89 ;;
	minio) echo github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ;;
	crane) echo github.com/google/go-containerregistry/cmd/crane@v0.22.1 ;;
	registry) echo github.com/distribution/distribution/v3/cmd/registry@v3.0.0 ;;
	*) echo "tools/peers.sh: unknown program '$1' (act minio crane registry)" >&2; return 2 ;;
	esac
}

for name; do
	module=$(version_of "$name")
	[ ! -x "build/tools/$name" ] || continue
	! command -v "$name" >/dev/null || continue
	command -v go >/dev/null || { echo "no $name and no Go here: the tests with it skip"; continue; }
	mkdir -p build/tools
	echo "  go    build/tools/$name ($module)"
	GOBIN=$(pwd)/build/tools nice go install "$module" >build/tools/log 2>&1 || {
		tail -n 3 build/tools/log
		echo "$name could not be built: the tests with it skip"
	}
done
