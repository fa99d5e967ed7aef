/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "run/image_build_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 30000
#define ANSWER_MAX ((size_t)1 << 20)

static const struct {
	const char *name;
	enum bl_builder builder;
} builders[] = {
	/* it needs no daemon, and GitHub's Ubuntu runners have both */
	{ "buildah", BL_BUILDER_BUILDAH },
	{ "docker", BL_BUILDER_DOCKER },
};

static bool in_path(const char *name, char path[4096])
{
	const char *at = getenv("PATH");

	while (at && *at) {
		size_t len = strcspn(at, ":");
		int n = snprintf(path, 4096, "%.*s/%s", (int)len, at, name);

		if (len && *at == '/' && n > 0 && n < 4096 && !access(path, X_OK))
			return true;
		at += len;
		at += *at == ':';
	}
	return false;
}

/* Its answer on stdout; answered false: it failed. */
static int ask(const char *const *args, atomic_bool *stop, struct bl_buf *answer, bool *answered,
               struct bl_err *err)
{
	struct build_child child = {
		.program = args[0], .args = args, .stop = stop, .deadline_ms = ASK_MS
	};
	int status = 0;

	*answered = false;
	if (build_child_run(&child, answer, &status, err)) {
		if (err->code == BL_ENOMEM || err->code == BL_ECANCELLED)
			return -1;
		bl_err_clear(err); /* that it cannot be asked is an answer */
		return 0;
	}
	*answered = status == 0;
	return 0;
}

/* buildah works when it is there; of docker's parts each may be missing. */
static int works(enum bl_builder builder, const char *path, bool *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) answer = BL_BUF(ANSWER_MAX);
	bool answered = true;

	if (builder == BL_BUILDER_DOCKER &&
	    (ask((const char *const[]){ path, "buildx", "version", NULL }, NULL, &answer, &answered,
	         err) ||
	     (answered &&
	      ask((const char *const[]){ path, "info", "--format", "{{.ServerVersion}}", NULL },
	          NULL, &answer, &answered, err))))
		return -1;
	*out = answered;
	return 0;
}

static int none(const char *wanted, bool docker_is_there, struct bl_err *err)
{
	if (*wanted)
		bl_fail(err, BL_EINPUT, "BRANCHLINE_BUILDER=%.40s: %s", wanted,
		        !strcmp(wanted, "buildah") || !strcmp(wanted, "docker")
		                ? "it is not in PATH, or its daemon or buildx does not answer"
		                : "only buildah and docker are known");
	else
		bl_fail(err, BL_EINPUT, "nothing here can build the base image: %s",
		        docker_is_there ? "docker's daemon or its buildx does not answer"
		                        : "neither buildah nor docker is in PATH");
	return bl_next(err, "install buildah (Debian, Ubuntu: apt-get install buildah) or docker "
	                    "with buildx, or name a finished base by image.base");
}

int bl_build_find(enum bl_builder *out, char path[4096], struct bl_err *err)
{
	const char *set = getenv("BRANCHLINE_BUILDER"), *wanted = set ? set : "";
	bool seen_docker = false, ok;
	char found[4096];

	for (size_t i = 0; i < BL_COUNT(builders); i++) {
		if ((*wanted && strcmp(wanted, builders[i].name) != 0) ||
		    !in_path(builders[i].name, found))
			continue;
		seen_docker = seen_docker || builders[i].builder == BL_BUILDER_DOCKER;
		if (works(builders[i].builder, found, &ok, err))
			return -1;
		if (!ok)
			continue;
		*out = builders[i].builder;
		memcpy(path, found, sizeof(found));
		return 0;
	}
	return none(wanted, seen_docker, err);
}

/* --- What it says of itself ------------------------------------------------------------------- */

int build_storage_dir(enum bl_builder builder, const char *program, atomic_bool *stop,
                      char path[4096], struct bl_err *err)
{
	static const char *const buildah[] = { "info", "--format", "{{.store.GraphRoot}}", NULL };
	static const char *const docker[] = { "info", "--format", "{{.DockerRootDir}}", NULL };
	const char *const *ours = builder == BL_BUILDER_BUILDAH ? buildah : docker;
	const char *args[] = { program, ours[0], ours[1], ours[2], NULL };
	BL_AUTO(bl_buf) answer = BL_BUF(ANSWER_MAX);
	bool answered;

	path[0] = '\0';
	if (ask(args, stop, &answer, &answered, err))
		return -1;
	if (answered && *bl_buf_text(&answer) == '/')
		snprintf(path, 4096, "%.*s", (int)strcspn(bl_buf_text(&answer), "\r\n"),
		         bl_buf_text(&answer));
	return 0;
}

/* The value of "Key:  value" at the beginning of a line. */
static bool field(const char *text, const char *key, char *out, size_t size)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *value;

		line += *line == '\n';
		if (!bl_str_starts(line, key))
			continue;
		value = line + strlen(key);
		value += strspn(value, " \t");
		snprintf(out, size, "%.*s", (int)strcspn(value, " \t\r\n"), value);
		return true;
	}
	return false;
}

int build_instance(const char *docker, atomic_bool *stop, char name[128], struct bl_err *err)
{
	BL_AUTO(bl_buf) answer = BL_BUF(ANSWER_MAX);
	char driver[64] = "", found[128] = "";
	bool answered;

	name[0] = '\0';
	if (ask((const char *const[]){ docker, "buildx", "inspect", NULL }, stop, &answer,
	        &answered, err))
		return -1;
	if (answered && field(bl_buf_text(&answer), "Driver:", driver, sizeof(driver)) &&
	    field(bl_buf_text(&answer), "Name:", found, sizeof(found)) &&
	    strcmp(driver, "docker") != 0)
		memcpy(name, found, sizeof(found));
	return 0;
}
