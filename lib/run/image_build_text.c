/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/image_build_parts.h"

#include <ctype.h>
#include <string.h>

#define WHERE "/opt/branchline/requirements"
/* Exact: the tool is an input of the base as well. */
#define UV "uv==0.13.9"

int build_format_of(const char *requirements, enum build_format *out, struct bl_err *err)
{
	const char *name = strrchr(requirements, '/');

	name = name ? name + 1 : requirements;
	if (!strcmp(name, "uv.lock"))
		*out = BUILD_UV;
	else if (bl_str_starts(name, "pylock.") && bl_str_ends(name, ".toml"))
		*out = BUILD_PYLOCK;
	else if (bl_str_ends(name, ".txt"))
		*out = BUILD_PIP;
	else {
		bl_fail(err, BL_EINPUT, "image.requirements: '%.200s' is of no known kind", name);
		return bl_next(err, "name a requirements*.txt, pylock.toml or uv.lock");
	}
	return 0;
}

/* What needs no quotes in a shell, and is no option. */
static bool is_plain(const char *text, const char *also)
{
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(also, *p))
			return false;
	return *text && *text != '-';
}

/*
 * pip writes byte code that is checked by content when the epoch is set: the layer's times are made
 * equal afterwards, and what is checked by time would be compiled again at each start.
 */
static void add_environment(struct bl_buf *out)
{
	bl_buf_adds(out, "RUN export SOURCE_DATE_EPOCH=" BUILD_EPOCH
	                 " PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \\\n"
	                 "        PIP_ROOT_USER_ACTION=ignore PIP_BREAK_SYSTEM_PACKAGES=1"
	                 " UV_NO_CACHE=1 UV_SYSTEM_PYTHON=1 UV_BREAK_SYSTEM_PACKAGES=1 && \\\n");
}

static void add_install(enum build_format format, const char *name, struct bl_buf *out)
{
	bl_buf_adds(out, "    python3 -c 'import pip' || { echo 'the base image has no "
	                 "pip for python3: take one that has, or image.dockerfile' >&2; exit 1; }"
	                 " && \\\n");
	if (format == BUILD_PIP) {
		bl_buf_addf(out, "    python3 -m pip install --requirement %s\n", name);
		return;
	}
	bl_buf_adds(out, "    python3 -m pip install --quiet --target /tmp/branchline-uv " UV
	                 " && \\\n    uv=/tmp/branchline-uv/bin/uv && \\\n");
	if (format == BUILD_UV) {
		bl_buf_adds(out, "    $uv export --quiet --frozen --no-dev --no-emit-project "
		                 "--format requirements-txt "
		                 "--output-file /tmp/branchline-uv/all.txt && \\\n");
		name = "/tmp/branchline-uv/all.txt";
	}
	bl_buf_addf(out,
	            "    $uv pip install --python \"$(command -v python3)\" --compile-bytecode "
	            "--requirement %s && \\\n"
	            "    rm -rf /tmp/branchline-uv\n",
	            name);
}

int bl_build_dockerfile(const char *requirements, const char *base, struct bl_buf *out,
                        struct bl_err *err)
{
	const char *slash = strrchr(requirements, '/');
	enum build_format format;

	if (build_format_of(requirements, &format, err))
		return -1;
	if (!is_plain(requirements, "._/+@-")) {
		bl_fail(err, BL_EINPUT,
		        "image.requirements: '%.200s' has characters that a "
		        "Dockerfile would not take as they are",
		        requirements);
		return bl_next(err, "rename it with letters, digits and ._+@- only");
	}
	if (!is_plain(base, "._/:@+-"))
		return bl_fail(err, BL_EINPUT, "'%.200s' is no name of a base image", base);
	/* user and working directory stay the base's own */
	bl_buf_addf(out, "FROM %s\nCOPY . " WHERE "\n", base);
	add_environment(out);
	bl_buf_addf(out, "    cd " WHERE "%s%.*s && \\\n", slash ? "/" : "",
	            slash ? (int)(slash - requirements) : 0, requirements);
	add_install(format, slash ? slash + 1 : requirements, out);
	return bl_buf_check(out, "Dockerfile", err);
}
