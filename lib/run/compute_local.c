/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine local: the same supervisor on this machine, in the place of a box. It claims the attempt
 * itself. What an instance has as tags, it has in its environment: so it is found again.
 */
#include "run/compute_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define BOX "BRANCHLINE_BOX_"
#define BEGIN_MS 60000
#define LOOK_MS 50
#define END_MS 10000
#define LOG_SHOWN 65536
#define OWN 6 /* variables of ours */

struct local_engine {
	char runner[PATH_MAX], cwd[PATH_MAX];
	char run[BL_RUN_SIZE]; /* of the newest start or probe */
};

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

/* --- Its environment -------------------------------------------------------------------------- */

struct box_env {
	char texts[OWN][128];
	const char *pairs[OWN + 1];
	size_t n;
};

static void add(struct box_env *env, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	snprintf(env->texts[env->n], sizeof(env->texts[0]), BOX "%s=%.90s", name, value);
	env->pairs[env->n] = env->texts[env->n];
	env->n++;
}

static void box_env_of(const struct bl_end_scope *scope, struct box_env *out)
{
	char number[24];

	*out = (struct box_env){ 0 };
	add(out, "RUN", scope->run);
	snprintf(number, sizeof(number), "%u", scope->attempt);
	add(out, "ATTEMPT", scope->attempt ? number : NULL);
	add(out, "REPOSITORY", scope->repository);
	add(out, "JOB", scope->job);
	snprintf(number, sizeof(number), "%lld", (long long)scope->pr);
	add(out, "PR", scope->pr ? number : NULL);
}

/* A job's runner ends what carries its mark once the job has ended. */
static bool is_dropped(const char *variable)
{
	return bl_str_starts(variable, BOX) || bl_str_starts(variable, "RUNNER_TRACKING_ID=");
}

static char **merged(const struct box_env *own, struct bl_err *err)
{
	size_t n = 0, at = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + own->n + 1, sizeof(*env));
	if (!env) {
		bl_fail(err, BL_ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (!is_dropped(environ[i]))
			env[at++] = environ[i];
	for (size_t i = 0; i < own->n; i++)
		env[at++] = (char *)own->pairs[i];
	return env;
}

/* --- Start ------------------------------------------------------------------------------------ */

static int work_path(const struct local_engine *engine, const char *run, const char *tail,
                     char path[PATH_MAX], struct bl_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/.branchline/work/%s%s", engine->cwd, run, tail) >=
	    PATH_MAX)
		return bl_fail(err, BL_EINPUT, "the path of '%.100s' is too long", engine->cwd);
	return 0;
}

static int open_log(const struct local_engine *engine, const char *run, int *out,
                    struct bl_err *err)
{
	char path[PATH_MAX];
	BL_FD dir = -1;

	if (work_path(engine, run, "", path, err) || bl_fs_make_dir(path, &dir, err))
		return -1;
	*out = openat(dir, "host.log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	return *out < 0 ? bl_fail_errno(err, errno, "open '%s/host.log'", path) : 0;
}

/* Its last LOG_SHOWN bytes; nothing when there is none. */
static int read_log(const struct local_engine *engine, struct bl_buf *out, struct bl_err *err)
{
	char path[PATH_MAX], *room;
	struct stat st;

	if (work_path(engine, engine->run, "/host.log", path, err))
		return -1;
	BL_FD log = open(path, O_RDONLY | O_CLOEXEC);
	if (log < 0 && errno == ENOENT)
		return 0;
	if (log < 0 || fstat(log, &st))
		return bl_fail_errno(err, errno, "open '%s'", path);
	uint64_t size = (uint64_t)st.st_size;
	size_t len = size < LOG_SHOWN ? (size_t)size : LOG_SHOWN;
	room = bl_buf_room(out, len);
	if (!room)
		return bl_buf_check(out, path, err);
	if (bl_fs_pread(log, room, len, size - len, err))
		return -1;
	bl_buf_grew(out, len);
	return 0;
}

static int spawn(struct local_engine *engine, const struct bl_start *what, struct bl_child *child,
                 struct bl_err *err)
{
	const struct bl_end_scope scope = { .run = what->run->id,
		                            .attempt = what->attempt,
		                            .repository = what->run->repository_key,
		                            .job = what->run->job,
		                            .pr = what->run->pr };
	char work[PATH_MAX];
	const char *words[] = { "branchline-runner",
		                "host",
		                "--engine",
		                "process",
		                "--store",
		                bl_store_uri(what->store),
		                "--run",
		                what->run->id,
		                "--work",
		                work,
		                what->attempt > 1 ? "--resume" : NULL };
	char *argv[BL_COUNT(words) + 1] = { NULL };
	BL_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC), log = -1, cwd = -1;
	struct box_env own;
	char **env;
	int status, rc;

	box_env_of(&scope, &own);
	if (work_path(engine, what->run->id, "", work, err) ||
	    open_log(engine, what->run->id, &log, err) || bl_fs_open_dir(engine->cwd, &cwd, err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(words) && words[i]; i++)
		argv[i] = (char *)words[i];
	env = merged(&own, err);
	if (!env)
		return -1;
	int fds[][2] = { { null, STDIN_FILENO }, { log, STDOUT_FILENO }, { log, STDERR_FILENO } };
	struct bl_spawn how = { .file = engine->runner,
		                .argv = argv,
		                .envp = env,
		                .own_session = true, /* a step's end is not its end */
		                .hold_signals = true,
		                .no_pidfd = true,
		                .dir_fd = cwd,
		                .fds = fds,
		                .n_fds = BL_COUNT(fds) };
	rc = bl_proc_spawn(&how, child, &status, err);
	free(env);
	return rc ? bl_wrap(err, "start host") : 0;
}

/* What it said last, for people. */
static int fail_host(struct local_engine *engine, int status, struct bl_err *err)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	BL_AUTO(bl_buf) log = BL_BUF(LOG_SHOWN);
	struct bl_err unread = { 0 };
	const char *line;

	if (read_log(engine, &log, &unread))
		bl_buf_reset(&log);
	while (log.len && log.data[log.len - 1] == '\n')
		log.data[--log.len] = '\0';
	line = strrchr(bl_buf_text(&log), '\n');
	bl_fail(err, BL_EIO, "host ended with %d: %.300s", code,
	        line ? line + 1 : bl_buf_text(&log));
	return bl_next(err, "see .branchline/work/%s/host.log", engine->run);
}

/* An end without a start: it failed before the command began. */
static int read_begun(const struct bl_start *what, struct bl_started *out, bool *begun,
                      struct bl_err *err)
{
	const char *run = what->run->id;
	struct bl_claim claim;
	struct bl_end end;

	*begun = true;
	if (!bl_started_read(what->store, run, what->attempt, out, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (!bl_end_read(what->store, run, what->attempt, &end, err)) {
		if (bl_claim_read(what->store, run, what->attempt, &claim, err))
			return -1;
		bl_started_init(out);
		out->attempt = what->attempt;
		memcpy(out->nonce, claim.nonce, sizeof(out->nonce));
		snprintf(out->engine, sizeof(out->engine), "process");
		out->started_ms = claim.claimed_at_ms;
		out->deadline_ms = what->deadline_ms;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*begun = false;
	return 0;
}

static int wait_begun(struct local_engine *engine, const struct bl_start *what,
                      const struct bl_child *child, struct bl_started *out, struct bl_err *err)
{
	int64_t until_ms = bl_mono_ms() + BEGIN_MS;
	bool gone = false, begun;
	int status = 0;

	for (;;) {
		if (child && !gone)
			gone = waitpid(child->pid, &status, WNOHANG) == child->pid;
		if (read_begun(what, out, &begun, err))
			return -1;
		if (begun)
			return 0;
		if (gone)
			return fail_host(engine, status, err);
		if (bl_mono_ms() >= until_ms)
			return bl_fail(err, BL_ETIMEOUT, "host did not start within %d s",
			               BEGIN_MS / 1000);
		if (!bl_compute_pause(LOOK_MS, what->stop))
			return bl_fail(err, BL_ECANCELLED, "stopped while host was started");
	}
}

static int local_start(void *self, const struct bl_start *what, struct bl_started *out,
                       struct bl_err *err)
{
	struct local_engine *engine = self;
	struct bl_attempts attempts;
	struct bl_child child;

	snprintf(engine->run, sizeof(engine->run), "%s", what->run->id);
	if (what->stop && *what->stop)
		return bl_fail(err, BL_ECANCELLED, "stopped before host was started");
	if (bl_attempts_read(what->store, what->run->id, &attempts, err))
		return -1;
	if (attempts.newest > what->attempt)
		return bl_fail(err, BL_EBUSY, "attempt %u is the newest", attempts.newest);
	if (attempts.newest == what->attempt) /* an earlier call's */
		return wait_begun(engine, what, NULL, out, err);
	BL_FAILPOINT("compute.local.before");
	if (spawn(engine, what, &child, err))
		return -1;
	BL_FAILPOINT("compute.local.after");
	return wait_begun(engine, what, &child, out, err);
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
	struct box_env env;
	unsigned killed = 0;

	one.run = run;
	box_env_of(&one, &env);
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

	if (work_path(engine, "", "", path, err))
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
	return engine->run[0] ? read_log(engine, out, err) : 0;
}

const struct bl_compute_ops bl_compute_local = {
	.name = "local",
	.close = local_close,
	.start = local_start,
	.probe = local_probe,
	.end = local_end,
	.console = local_console,
};
