#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bill of materials of the static programs, as SPDX 2.3 JSON on stdout: what tools/dist-libs.sh
# linked into them, by the versions that it took.
#
#   tools/sbom.sh FOLDER VERSIONS NAME        build/dist/linux-x86_64 build/deps/root/versions v1.2.3
set -eu

[ $# = 3 ] || { echo "usage: tools/sbom.sh FOLDER VERSIONS NAME" >&2; exit 2; }
folder=$1 versions=$2 name=$3
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

license_of() {
	case $1 in
	zlib) echo Zlib ;;
	jansson | libyaml | http-parser | expat | musl) echo MIT ;;
	libgit2) echo 'GPL-2.0-only WITH GCC-exception-2.0' ;;
	openssl) echo Apache-2.0 ;;
	curl) echo curl ;;
	*) echo "tools/sbom.sh: whose licence is '$1' under?" >&2; return 1 ;;
	esac
}

# package NAME VERSION
package() {
	license=$(license_of "$1") || return
	printf ',\n    {"SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "licenseConcluded": "%s", "licenseDeclared": "%s", "copyrightText": "NOASSERTION", "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/%s@%s?arch=source"}]}' \
		"$1" "$1" "$2" "$license" "$license" "$1" "$(printf %s "$2" | sed 's/+/%2B/g; s/:/%3A/g')"
}

musl=$(dpkg-query -W -f '${Version}' musl-dev 2>/dev/null || echo unknown)
libraries=$(cat "$versions"; echo "musl $musl")
hash=$(cd "$folder" && sha256sum branchline branchline-runner | sha256sum | cut -d' ' -f1)
arch=${folder##*linux-}

cat <<END
{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
  "name": "branchline-$name-linux-$arch",
  "documentNamespace": "https://spdx.org/spdxdocs/branchline-$name-linux-$arch-$hash",
  "creationInfo": {"created": "$created", "creators": ["Tool: branchline tools/sbom.sh"]},
  "packages": [
END
first=1
for program in branchline branchline-runner; do
	[ "$first" = 1 ] || printf ',\n'
	first=0
	printf '    {"SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION", "packageFileName": "%s-linux-%s", "checksums": [{"algorithm": "SHA256", "checksumValue": "%s"}]}' \
		"$program" "$program" "$name" "$program" "$arch" "$(sha256sum <"$folder/$program" | cut -d' ' -f1)"
done
echo "$libraries" | while read -r library version; do
	package "$library" "$version" || exit
done
printf '\n  ],\n  "relationships": [\n'
first=1
for program in branchline branchline-runner; do
	[ "$first" = 1 ] || printf ',\n'
	first=0
	printf '    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-%s"}' "$program"
	echo "$libraries" | while read -r library _; do
		printf ',\n    {"spdxElementId": "SPDXRef-%s", "relationshipType": "STATIC_LINK", "relatedSpdxElement": "SPDXRef-%s"}' \
			"$program" "$library"
	done
done
printf '\n  ]\n}\n'
