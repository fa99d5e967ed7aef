/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/engine.h"

#include "base/buf.h"
#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define RECORD_MAX_BYTES 65536

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return !strncmp(a, b, len + 1);
}

/* Our environment with `added` in the place of equal names. The texts stay where they are. */
static char **merged(const char *const *added, struct bl_err *err)
{
	size_t n = 0, n_added = 0, at = 0;

	while (environ[n])
		n++;
	while (added[n_added])
		n_added++;
	char **env = calloc(n + n_added + 1, sizeof(*env));
	if (!env) {
		bl_fail(err, BL_ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		bool replaced = false;

		for (size_t k = 0; k < n_added && !replaced; k++)
			replaced = same_name(added[k], environ[i]);
		if (!replaced)
			env[at++] = environ[i];
	}
	for (size_t k = 0; k < n_added; k++)
		env[at++] = (char *)added[k];
	return env;
}

static int start(struct engine *engine, const struct engine_spec *spec, struct bl_err *err)
{
	char *argv[] = { (char *)"branchline-runner", (char *)"exec", (char *)"train", NULL };
	struct bl_spawn how = {
		.file = "/proc/self/exe",
		.argv = argv,
		.dir_fd = -1,
		.own_group = true,
		.hold_signals = true,
		/* training must not outlive its supervisor: nobody would hold its deadline */
		.parent_signal = SIGKILL,
	};
	int status, rc;
	char **env = merged(spec->env, err);

	if (!env)
		return -1;
	how.envp = env;
	rc = bl_proc_spawn(&how, &engine->child, &status, err);
	free(env);
	return rc ? bl_wrap(err, "start exec") : 0;
}

static int signal_with_reason(struct engine *engine, const struct engine_spec *spec,
                              const char *reason, int signum, struct bl_err *err)
{
	BL_FD root = -1;

	/*
	 * the word first: exec copies it when the signal arrives. Unwritable, it reads as cancelled
	 */
	int rc = bl_fs_open_dir(spec->root, &root, err);
	if (!rc)
		rc = bl_fs_replace(root, "output/branchline/stop", reason, strlen(reason), 0644,
		                   err);
	if (kill(engine->child.pid, signum) && errno != ESRCH && !rc)
		return bl_fail_errno(err, errno, "signal exec");
	return rc;
}

static int stop(struct engine *engine, const struct engine_spec *spec, const char *reason,
                struct bl_err *err)
{
	return signal_with_reason(engine, spec, reason, SIGTERM, err);
}

static int kill_now(struct engine *engine, const struct engine_spec *spec, const char *reason,
                    struct bl_err *err)
{
	engine->we_killed = true;
	return signal_with_reason(engine, spec, reason, SIGQUIT, err);
}

/* A file that is not there is an answer: exec or observe did not live to write it. */
static int read_record(int root, const char *path, struct bl_buf *text, bool *there,
                       struct bl_err *err)
{
	*there = !bl_fs_read(root, path, text, err);
	if (*there)
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int collect(struct engine *engine, const struct engine_spec *spec,
                   struct bl_exit_record *record, struct bl_verdict *verdict, struct bl_err *err)
{
	BL_AUTO(bl_buf) exit_text = BL_BUF(RECORD_MAX_BYTES);
	BL_AUTO(bl_buf) verdict_text = BL_BUF(RECORD_MAX_BYTES);
	BL_FD root = -1;
	bool there;

	*record = (struct bl_exit_record){ 0 };
	*verdict = (struct bl_verdict){ 0 };
	if (waitpid(engine->child.pid, NULL, WNOHANG) < 0 && errno != ECHILD)
		return bl_fail_errno(err, errno, "wait for exec");
	bl_fd_done(&engine->child.pidfd);
	if (bl_fs_open_dir(spec->root, &root, err) ||
	    read_record(root, "output/branchline/exit.json", &exit_text, &there, err) ||
	    (there && bl_exit_record_parse(bl_buf_text(&exit_text), exit_text.len, record, err)))
		return -1;
	if (read_record(root, "output/branchline/verdict.json", &verdict_text, &there, err) ||
	    (there && bl_verdict_parse(bl_buf_text(&verdict_text), verdict_text.len, verdict, err)))
		return -1;
	return 0;
}

const struct engine_ops engine_process = { "process", start, stop, kill_now, collect };
