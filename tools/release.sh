#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The parts of .github/workflows/release.yml:
#
#   tools/release.sh version v1.2.3              it is one, the Makefile's, and new
#   tools/release.sh assets BUILT FOLDER         one architecture's files, each named for it
#   tools/release.sh commit v1.2.3 FOLDER        a commit beside the branch that holds the programs
#                                                in actions/bin, and the tag on it
set -eu

die() {
	echo "tools/release.sh: $*" >&2
	exit 2
}

check_version() {
	case $1 in
	v*.*.*) ;;
	*) die "'$1' is no version: v1.2.3" ;;
	esac
	[ -z "$(printf %s "$1" | tr -d 'v0-9.')" ] || die "'$1' is no version: v1.2.3"
	[ "$(sed -n 's/^VERSION := //p' Makefile)" = "${1#v}" ] ||
		die "the Makefile says VERSION $(sed -n 's/^VERSION := //p' Makefile), not ${1#v}"
	grep -q "^## ${1#v}\\b" CHANGELOG.md || die "CHANGELOG.md has no section ${1#v}"
	[ -z "$(git tag --list "$1")" ] || die "there is a tag $1"
}

make_assets() {
	built=$1 to=$2
	system=$(basename "$built")
	version=v$(sed -n 's/^VERSION := //p' Makefile)
	mkdir -p "$to"
	for file in "$built"/branchline*; do
		cp "$file" "$to/$(basename "$file" | sed "s/^branchline\\(-runner\\)\\{0,1\\}/&-$system/")"
	done
	tools/sbom.sh "$built" build/deps/root/versions "$version" >"$to/branchline-$system.spdx.json"
	(cd "$to" && sha256sum -- *"$system"* >"SHA256SUMS-$system")
}

# Files back to the names under which actions look for them; the sums must hold on the way.
fill_bin() {
	from=$1
	for sums in "$from"/SHA256SUMS-linux-*; do
		system=${sums##*SHA256SUMS-}
		(cd "$from" && sha256sum --check --quiet "${sums##*/}") || die "$sums does not hold"
		bin=actions/bin/$system
		rm -rf "$bin"
		mkdir -p "$bin"
		for file in "$from"/branchline*"-$system"*; do
			name=$(basename "$file" | sed "s/-$system//")
			case $name in
			*.spdx.json) continue ;;
			esac
			cp "$file" "$bin/$name"
		done
		chmod 755 "$bin/branchline" "$bin/branchline-runner"
		(cd "$bin" && sha256sum -- * >../sums && mv ../sums SHA256SUMS)
	done
}

make_commit() {
	version=$1 from=$2
	check_version "$version"
	fill_bin "$from"
	awk -v v="${version#v}" '/^## / { on = $2 == v; next } on' CHANGELOG.md >build/notes.md
	git add --force actions/bin
	git -c user.name='github-actions[bot]' \
		-c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
		commit --quiet -m "release: $version" -m "The programs of $(git rev-parse HEAD), as built and attested."
	git tag "$version"
}

case ${1:-} in
version) [ $# = 2 ] || die "version v1.2.3"; check_version "$2" ;;
assets) [ $# = 3 ] || die "assets BUILT FOLDER"; make_assets "$2" "$3" ;;
commit) [ $# = 3 ] || die "commit v1.2.3 FOLDER"; mkdir -p build; make_commit "$2" "$3" ;;
*) die "version, assets or commit" ;;
esac
