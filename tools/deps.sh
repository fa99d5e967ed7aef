#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the distribution's packages that a target needs:
#
#   tools/deps.sh build|test|demo|lint|dist|bench|fuzz...
#
# Says nothing and touches nothing once all are present. Exit 0, or 2 where the system has no apt
# or a package cannot be had; then it prints what is needed.
set -eu

# Without these the target cannot be made.
required() {
	case $1 in
	build) echo gcc libc6-dev make pkg-config git ca-certificates \
		libcurl4-openssl-dev libssl-dev libjansson-dev libyaml-dev libgit2-dev libexpat1-dev \
		zlib1g-dev ;;
	test) echo libcmocka-dev python3 python3-venv strace util-linux procps ;;
	demo) echo python3 python3-venv ;;
	lint) echo cppcheck file universal-ctags python3 python3-venv ;;
	dist) echo musl-tools linux-libc-dev dpkg-dev xz-utils bzip2 cmake perl file ;;
	bench) echo python3 python3-venv iproute2 util-linux tini catatonit rclone awscli \
		skopeo buildah umoci docker-registry pigz isal ;;
	fuzz) echo clang-14 libclang-rt-14-dev ;;
	*) echo "tools/deps.sh: unknown group '$1' (build test demo lint dist bench fuzz)" >&2; return 2 ;;
	esac
}

# These make it better; a distribution that lacks one is served another way, or without.
wished() {
	case $1 in
	# What looks at our work from outside; Ubuntu has not all of them.
	test) echo awscli skopeo buildah umoci podman conmon runc docker-registry apache2-utils ;;
	# Without OpenBLAS PyTorch trains twenty times slower.
	demo) echo python3-torch python3-numpy libopenblas0-pthread chromium fonts-dejavu-core ;;
	lint) echo clang-format-14 shellcheck ;;
	esac
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
	for package; do
		is_installed "$package" || printf '%s ' "$package"
	done
}

# apt-cache show also knows names that are only referred to: ask for a candidate.
is_offered() {
	apt-cache policy "$1" 2>/dev/null | grep -q '^ *Candidate: [^(]'
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		echo "tools/deps.sh: need root or sudo to install: $need$want" >&2
		exit 2
	fi
}

[ $# -gt 0 ] || set -- build
need='' want=''
for group; do
	more=$(required "$group") || exit
	need="$need $more"
	want="$want $(wished "$group")"
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	cat >&2 <<-END
	tools/deps.sh: this system has no apt; install what these Debian packages hold, then try again:
	  needed:$need
	  better with:$want
	Debian 12 and Ubuntu 24.04 are the systems that are tried.
	END
	exit 2
fi

# shellcheck disable=SC2086 # lists of words
need=$(missing_of $need)
# What apt did not know after its last update is not asked for again.
absent=build/deps.absent
known=''
# shellcheck disable=SC2086
for package in $(missing_of $want); do
	grep -qsx "$package" "$absent" || known="$known$package "
done
want=$known
[ -n "$need$want" ] || exit 0

echo "installing: $need$want"
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
known=''
for package in $want; do
	if is_offered "$package"; then
		known="$known $package"
	else
		mkdir -p build && echo "$package" >>"$absent"
	fi
done
# shellcheck disable=SC2086
if ! as_root env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends $need $known </dev/null >build.apt.log 2>&1; then
	tail -n 20 build.apt.log >&2
	rm -f build.apt.log
	echo "tools/deps.sh: apt-get could not install: $need$known" >&2
	exit 2
fi
rm -f build.apt.log
