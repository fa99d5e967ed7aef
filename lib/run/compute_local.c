/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine local: the same supervisor on this machine, in the place of a box. It claims the attempt
 * itself, and is found again by its environment.
 */
#include "run/compute_local_parts.h"

#include "base/clock.h"
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define END_MS 10000

static int local_open_paths(const struct bl_compute_options *options, struct local_engine *engine,
                            struct bl_err *err)
{
	if (options->runner)
		snprintf(engine->runner, sizeof(engine->runner), "%s", options->runner);
	else if (bl_proc_beside("branchline-runner", engine->runner, sizeof(engine->runner), err))
		return bl_next(err, "install it beside branchline, as `make install` does");
	if (!realpath(options->cwd ? options->cwd : ".", engine->cwd))
		return bl_fail_errno(err, errno, "'%s'", options->cwd ? options->cwd : ".");
	return 0;
}

int bl_compute_local_open(const struct bl_compute_options *options, void **self, struct bl_err *err)
{
	struct local_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (local_open_paths(options, engine, err)) {
		free(engine);
		return -1;
	}
	*self = engine;
	return 0;
}

static void local_close(void *self)
{
	free(self);
}

/* --- What it is known by ---------------------------------------------------------------------- */

static void add(struct local_env *env, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	snprintf(env->texts[env->n], sizeof(env->texts[0]), LOCAL_BOX "%s=%.90s", name, value);
	env->pairs[env->n] = env->texts[env->n];
	env->n++;
}

void local_env_of(const struct bl_end_scope *scope, struct local_env *out)
{
	char number[24];

	*out = (struct local_env){ 0 };
	add(out, "RUN", scope->run);
	snprintf(number, sizeof(number), "%u", scope->attempt);
	add(out, "ATTEMPT", scope->attempt ? number : NULL);
	add(out, "REPOSITORY", scope->repository);
	add(out, "JOB", scope->job);
	snprintf(number, sizeof(number), "%lld", (long long)scope->pr);
	add(out, "PR", scope->pr ? number : NULL);
}

int local_work_path(const struct local_engine *engine, const char *run, const char *tail,
                    char path[PATH_MAX], struct bl_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/.branchline/work/%s%s", engine->cwd, run, tail) >=
	    PATH_MAX)
		return bl_fail(err, BL_EINPUT, "the path of '%.100s' is too long", engine->cwd);
	return 0;
}

int local_read_log(const struct local_engine *engine, struct bl_buf *out, struct bl_err *err)
{
	char path[PATH_MAX], *room;
	struct stat st;

	if (local_work_path(engine, engine->run, "/host.log", path, err))
		return -1;
	BL_FD log = open(path, O_RDONLY | O_CLOEXEC);
	if (log < 0 && errno == ENOENT)
		return 0;
	if (log < 0 || fstat(log, &st))
		return bl_fail_errno(err, errno, "open '%s'", path);
	uint64_t size = (uint64_t)st.st_size;
	size_t len = size < LOCAL_LOG_SHOWN ? (size_t)size : LOCAL_LOG_SHOWN;
	room = bl_buf_room(out, len);
	if (!room)
		return bl_buf_check(out, path, err);
	if (bl_fs_pread(log, room, len, size - len, err))
		return -1;
	bl_buf_grew(out, len);
	return 0;
}

/* --- The rest --------------------------------------------------------------------------------- */

static int local_probe(void *self, const struct bl_run *run, const struct bl_attempts *attempts,
                       struct bl_probe *out, struct bl_err *err)
{
	struct bl_probe found = { .owner = BL_UNKNOWN };
	struct local_engine *engine = self;

	snprintf(engine->run, sizeof(engine->run), "%s", run->id);
	if (attempts->newest && !attempts->claim.instance_tag[0] &&
	    bl_proc_probe(&attempts->claim.owner, &found.owner, err))
		return -1;
	found.found = found.owner == BL_ALIVE;
	snprintf(found.state, sizeof(found.state), "%s", found.found ? "running" : "");
	if (found.owner == BL_DEAD) {
		found.gone = (struct bl_result){ .class = BL_CLASS_LOST,
			                         .status = bl_class_status(BL_CLASS_LOST),
			                         .stage = "box",
			                         .exit_code = -1,
			                         .message = "its host process died",
			                         .next_step = "it is tried again" };
	}
	*out = found;
	return 0;
}

static int end_run(const struct bl_end_scope *scope, const char *run, int64_t until_ms,
                   struct bl_ended_boxes *boxes, struct bl_err *err)
{
	struct bl_end_scope one = *scope;
	struct local_env env;
	unsigned killed = 0;

	one.run = run;
	local_env_of(&one, &env);
	if (bl_proc_end_all(env.pairs, until_ms, &killed, err))
		return -1;
	if (!killed)
		return 0;
	if (boxes->n < BL_COUNT(boxes->runs))
		snprintf(boxes->runs[boxes->n], sizeof(boxes->runs[0]), "%s", run);
	boxes->n++;
	return 0;
}

/* Every run that ever worked here. */
static int end_each(struct local_engine *engine, const struct bl_end_scope *scope, int64_t until_ms,
                    struct bl_ended_boxes *boxes, struct bl_err *err)
{
	struct dirent *entry;
	char path[PATH_MAX];
	int rc = 0;
	DIR *dir;

	if (local_work_path(engine, "", "", path, err))
		return -1;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : bl_fail_errno(err, errno, "open '%s'", path);
	while (!rc && (entry = readdir(dir)))
		if (bl_run_id_valid(entry->d_name))
			rc = end_run(scope, entry->d_name, until_ms, boxes, err);
	closedir(dir);
	return rc;
}

static int local_end(void *self, const struct bl_end_scope *scope, struct bl_ended_boxes *out,
                     struct bl_err *err)
{
	struct bl_ended_boxes boxes = { 0 };
	int64_t until_ms = bl_mono_ms() + END_MS;
	int rc = scope->run && *scope->run ? end_run(scope, scope->run, until_ms, &boxes, err)
	                                   : end_each(self, scope, until_ms, &boxes, err);

	if (!rc)
		*out = boxes;
	return rc;
}

static int local_console(void *self, const struct bl_started *started, struct bl_buf *out,
                         struct bl_err *err)
{
	struct local_engine *engine = self;

	(void)started;
	return engine->run[0] ? local_read_log(engine, out, err) : 0;
}

const struct bl_compute_ops bl_compute_local = {
	.name = "local",
	.close = local_close,
	.start = local_start,
	.probe = local_probe,
	.end = local_end,
	.console = local_console,
};
