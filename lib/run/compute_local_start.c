/* SPDX-License-Identifier: Apache-2.0 */
/* Engine local: host is started, detached from whoever asked for it. */
#include "run/compute_local_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define BEGIN_MS 60000
#define LOOK_MS 50

/* A job's runner ends what carries its mark once the job has ended. */
static bool is_dropped(const char *variable)
{
	return bl_str_starts(variable, LOCAL_BOX) || bl_str_starts(variable, "RUNNER_TRACKING_ID=");
}

static char **merged(const struct local_env *own, struct bl_err *err)
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

static int open_log(const struct local_engine *engine, const char *run, int *out,
                    struct bl_err *err)
{
	char path[PATH_MAX];
	BL_FD dir = -1;

	if (local_work_path(engine, run, "", path, err) || bl_fs_make_dir(path, &dir, err))
		return -1;
	*out = openat(dir, "host.log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	return *out < 0 ? bl_fail_errno(err, errno, "open '%s/host.log'", path) : 0;
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
	struct local_env own;
	char **env;
	int status, rc;

	local_env_of(&scope, &own);
	if (local_work_path(engine, what->run->id, "", work, err) ||
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
	BL_AUTO(bl_buf) log = BL_BUF(LOCAL_LOG_SHOWN);
	struct bl_err unread = { 0 };
	const char *line;

	if (local_read_log(engine, &log, &unread))
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

int local_start(void *self, const struct bl_start *what, struct bl_started *out, struct bl_err *err)
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
