#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the static musl libraries that `make dist` links:
#
#   tools/dist-libs.sh FOLDER
#
# leaves FOLDER/root/{bin/scc,include,lib,versions} and the fetched sources in FOLDER/src. The
# sources are the distribution's own, with its patches; apt checks the signed index and every
# file's hash. A second run with the same recipe and compiler is instant.
set -eu

[ $# = 1 ] || { echo "usage: tools/dist-libs.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
deps=$(cd "$1" && pwd)
root=$deps/root
src=$deps/src
work=$deps/work
log=$deps/log
jobs=$(nproc)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1577836800}" LC_ALL=C TZ=UTC

# Debian 12's versions. Where one is gone from the mirror, the newest that it has is taken.
pin_of() {
	case $codename/$1 in
	bookworm/openssl) echo 3.0.22 ;; # upstream's release in full, ahead of Debian's patches
	bookworm/zlib) echo 1:1.2.13.dfsg-1 ;;
	bookworm/jansson) echo 2.14-2 ;;
	bookworm/libyaml) echo 0.2.5-1 ;;
	bookworm/http-parser) echo 2.9.4-5 ;;
	bookworm/libgit2) echo 1.5.1+ds-1+deb12u2 ;;
	bookworm/curl) echo 7.88.1-10+deb12u15 ;;
	bookworm/expat) echo 2.5.0-1+deb12u5 ;;
	esac
}

die() {
	echo "tools/dist-libs.sh: $*" >&2
	exit 1
}

# Runs quietly; on failure shows the end of the log.
run() {
	"$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "failed: $*"; }
}

# --- Sources ---------------------------------------------------------------------------------

# A private apt: the system's own mirrors, as source entries, in folders of ours.
apt_open() {
	mkdir -p "$src/apt/lists/partial" "$src/apt/cache/archives/partial" "$src/apt/sources.d"
	cat >"$src/apt/apt.conf" <<-END
	Dir::Etc::SourceList "/dev/null";
	Dir::Etc::SourceParts "$src/apt/sources.d";
	Dir::State::Lists "$src/apt/lists";
	Dir::Cache "$src/apt/cache";
	APT::Sandbox::User "";
	END
	keyring=/usr/share/keyrings/$ID-archive-keyring.gpg
	[ -r "$keyring" ] || die "no keyring $keyring: install ${ID}-archive-keyring (or ${ID}-keyring)"
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
	sort -u | while read -r site release component; do
		case $release in
		"$codename" | "$codename-updates" | "$codename-security") ;;
		*) continue ;;
		esac
		case $component in
		main | universe) ;;
		*) continue ;;
		esac
		printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n\n' \
			"$site" "$release" "$component" "$keyring"
	done >"$src/apt/sources.d/src.sources"
	[ -s "$src/apt/sources.d/src.sources" ] || die "apt names no $codename mirror"
	export APT_CONFIG="$src/apt/apt.conf"
	run apt-get update
}

fetch_with() {
	(cd "$src/$1" && shift && apt-get source -qq --download-only --only-source "$@") >"$log" 2>&1
}

# fetch PKG: $src/PKG holds its .dsc and files, or for openssl on Debian the release alone.
fetch() {
	[ ! -e "$src/$1/done" ] || return 0
	[ "${APT_CONFIG:-}" = "$src/apt/apt.conf" ] || apt_open
	rm -rf "${src:?}/$1"
	mkdir -p "$src/$1"
	pin=$(pin_of "$1")
	if [ "$1" = openssl ] && [ -n "$pin" ]; then
		fetch_with "$1" --tar-only "$1" && [ -e "$src/$1/openssl_$pin.orig.tar.gz" ] &&
			touch "$src/$1/done" && return
		rm -f "$src/$1"/*
		pin=
	fi
	if ! { [ -n "$pin" ] && fetch_with "$1" "$1=$pin"; } && ! fetch_with "$1" "$1" &&
		! fetch_with "$1" -t "$codename" "$1"; then
		tail -n 20 "$log" >&2
		die "cannot fetch the source of $1"
	fi
	touch "$src/$1/done"
}

# unpack PKG: the tree in $work/PKG, its version in $root/versions
unpack() {
	set -- "$1" "$src/$1"/*.dsc
	if [ -e "$2" ]; then
		run dpkg-source --no-check -x "$2" "$work/$1"
		version=$(sed -n 's/^Version: //p' "$2" | head -n 1)
	else
		mkdir -p "$work/$1"
		set -- "$1" "$src/$1"/*.orig.tar.gz
		run tar -xf "$2" -C "$work/$1" --strip-components=1
		version=${2##*_}
		version=${version%.orig.tar.gz}
	fi
	echo "$1 $version" >>"$root/versions"
	echo "  lib   $1 $version"
	cd "$work/$1"
}

# --- The compiler ----------------------------------------------------------------------------

# Debian's musl-gcc ignores -static-pie and gives a dynamic program: its specs are corrected here.
make_compiler() {
	mkdir -p "$root/bin" "$root/include" "$root/lib" "$root/kernel"
	musl=/usr/lib/$arch-linux-musl
	[ -r "$musl/musl-gcc.specs" ] || die "no $musl/musl-gcc.specs: install musl-tools"
	awk -v D="$musl" '
	/^\*link:/ { print; getline; print "%{!static:%{!static-pie:-dynamic-linker " \
		"/lib/ld-musl-'"$arch"'.so.1}} -nostdlib %{shared:-shared} %{static:-static} " \
		"%{static-pie:-static -pie --no-dynamic-linker -z text} %{rdynamic:-export-dynamic}"; next }
	/^\*startfile:/ { print; getline; print "%{static-pie:" D "/rcrt1.o;static:" D "/crt1.o;" \
		"!shared:" D "/Scrt1.o} " D "/crti.o crtbeginS.o%s"; next }
	{ print }' "$musl/musl-gcc.specs" >"$root/musl.specs"
	# Only the kernel's own headers: all of /usr/include would show glibc's to a configure step.
	ln -sf /usr/include/linux /usr/include/asm-generic "$root/kernel/"
	ln -sf "/usr/include/$arch-linux-gnu/asm" "$root/kernel/asm"
	cat >"$root/bin/scc" <<-END
	#!/bin/sh
	exec $arch-linux-gnu-gcc "\$@" -specs=$root/musl.specs -idirafter $root/kernel \\
		-ffile-prefix-map=$deps=.
	END
	chmod +x "$root/bin/scc"
	# A bare name, since libraries write the name of their compiler into themselves.
	PATH=$root/bin:$PATH
	export PATH PKG_CONFIG_LIBDIR="$root/lib/pkgconfig"
}

common="-g0 -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong \
-fno-unwind-tables -fno-asynchronous-unwind-tables"
small="-Os $common"
fast="-O2 $common"

# cmake_build FLAGS OPTION...: build and install the tree that we are in
cmake_build() {
	flags=$1
	shift
	run cmake -S . -B build-musl -DCMAKE_C_COMPILER=scc "-DCMAKE_C_FLAGS=$flags" \
		-DCMAKE_BUILD_TYPE=None -DBUILD_SHARED_LIBS=OFF -DCMAKE_INSTALL_LIBDIR=lib \
		"-DCMAKE_INSTALL_PREFIX=$root" "-DCMAKE_PREFIX_PATH=$root" \
		-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF "$@"
	run cmake --build build-musl -j "$jobs"
	run cmake --install build-musl
}

# --- The libraries ---------------------------------------------------------------------------

build_zlib() {
	unpack zlib
	run env CC=scc "CFLAGS=$fast" ./configure --static
	run make -j "$jobs" libz.a
	cp libz.a "$root/lib/"
	cp zlib.h zconf.h "$root/include/"
}

build_jansson() {
	unpack jansson
	cmake_build "$small" -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
}

build_libyaml() {
	unpack libyaml
	cmake_build "$small" -DBUILD_TESTING=OFF
}

build_http_parser() {
	unpack http-parser
	# shellcheck disable=SC2086
	run scc $small -c http_parser.c
	run ar rcsD "$root/lib/libhttp_parser.a" http_parser.o
	cp http_parser.h "$root/include/"
}

build_libgit2() {
	unpack libgit2
	cmake_build "$small" -DBUILD_TESTS=OFF -DBUILD_CLI=OFF -DUSE_HTTPS=OFF -DUSE_SSH=OFF \
		-DUSE_NTLMCLIENT=OFF -DUSE_GSSAPI=OFF -DUSE_ICONV=OFF -DREGEX_BACKEND=regcomp \
		-DUSE_SHA1=CollisionDetection -DUSE_SHA256=Builtin -DUSE_BUNDLED_ZLIB=OFF \
		-DUSE_HTTP_PARSER=system -DENABLE_REPRODUCIBLE_BUILDS=ON
}

build_expat() {
	unpack expat
	cd expat
	# A patch of Debian's asks for the value of a macro that its cmake leaves empty.
	sed -i 's/^#cmakedefine XML_DTD$/#cmakedefine XML_DTD 1/' expat_config.h.cmake
	cmake_build "$small" -DEXPAT_BUILD_TOOLS=OFF -DEXPAT_BUILD_EXAMPLES=OFF \
		-DEXPAT_BUILD_TESTS=OFF -DEXPAT_BUILD_DOCS=OFF -DEXPAT_SHARED_LIBS=OFF
}

# HTTP and TLS only. No CA is built in: http.c looks for the system's at run time.
build_curl() {
	unpack curl
	cmake_build "$small" -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHTTP_ONLY=ON \
		-DCURL_USE_OPENSSL=ON "-DOPENSSL_ROOT_DIR=$root" -DOPENSSL_USE_STATIC_LIBS=ON \
		-DCURL_ZLIB=OFF -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF \
		-DCURL_DISABLE_LDAP=ON -DCURL_DISABLE_NTLM=ON -DCURL_DISABLE_ALTSVC=ON \
		-DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_DOH=ON -DCURL_DISABLE_NETRC=ON \
		-DCURL_DISABLE_CRYPTO_AUTH=ON -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_MIME=ON \
		-DENABLE_THREADED_RESOLVER=ON -DENABLE_UNIX_SOCKETS=OFF -DUSE_NGHTTP2=OFF \
		-DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none
}

build_openssl() {
	unpack openssl
	# Without P-256's table in assembler, 150 KiB: checking a signature takes 0.6 ms, not 0.1.
	sed -i 's/ecp_nistz256\.c ecp_nistz256-[a-z0-9_]*\.[sS]//; s/ECP_NISTZ256_ASM//' \
		crypto/ec/build.info
	! grep -qi "_$arch=.*nistz256" crypto/ec/build.info ||
		die "openssl's crypto/ec/build.info is another one: P-256's table would be back"
	# shellcheck disable=SC2046
	run env CC=scc "CFLAGS=$small" ./Configure "linux-$arch" --prefix=/usr --libdir=lib \
		--openssldir=/etc/ssl $(printf 'no-%s ' shared tests engine legacy dso module async \
		comp cms ts cmp ct ocsp srp psk dtls srtp tls1 tls1_1 tls1-method tls1_1-method idea \
		rc2 rc4 md4 mdc2 rmd160 seed camellia aria bf cast des sm2 sm3 sm4 whirlpool blake2 \
		siphash siv ocb ec2m gost nextprotoneg rfc3779 scrypt ui-console autoload-config dsa \
		afalgeng secure-memory ssl-trace multiblock deprecated)
	run make -j "$jobs" build_libs
	cp libcrypto.a libssl.a "$root/lib/"
	cp -R include/openssl "$root/include/"
}

arch=$(uname -m)
[ -r /etc/os-release ] || die "this needs Debian 12 or Ubuntu 24.04"
# shellcheck source=/dev/null
. /etc/os-release
codename=${VERSION_CODENAME:-unknown}
key=$({ cat "$0"; "$arch-linux-gnu-gcc" --version; dpkg-query -W -f '${Version}\n' musl-dev
	echo "$deps"; } | sha256sum)
[ "$(cat "$root/key" 2>/dev/null)" != "$key" ] || exit 0

rm -rf "$root" "$work"
mkdir -p "$root" "$src" "$work"
for package in zlib jansson libyaml http-parser libgit2 openssl expat curl; do
	fetch "$package"
done
make_compiler
for library in zlib jansson libyaml http_parser libgit2 openssl expat curl; do
	(build_$library)
done
rm -rf "$work"
echo "$key" >"$root/key"
