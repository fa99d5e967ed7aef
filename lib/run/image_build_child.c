/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "run/image_build_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 200   /* how soon *stop is seen */
#define SOON_MS 2     /* between looks for the end of one that has said all */
#define TERM_MS 10000 /* what a builder has for its clean-up */
#define LAST_MS 5000
#define PIECE 4096
#define SET_MAX 8

extern char **environ;

static bool is_set(const char *const *set, const char *pair)
{
	for (size_t k = 0; set && set[k]; k++)
		if (!strncmp(pair, set[k], strcspn(set[k], "=") + 1))
			return true;
	return false;
}

/* Ours, with what is set put in place. */
static const char **make_environment(const char *const *set)
{
	size_t n = 0, at = 0, n_set = 0;
	const char **env;

	while (environ[n])
		n++;
	while (set && set[n_set])
		n_set++;
	env = calloc(n + n_set + 1, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!is_set(set, environ[i]))
			env[at++] = environ[i];
	for (size_t k = 0; k < n_set; k++)
		env[at++] = set[k];
	return env;
}

static int start(const struct build_child *how, int out, struct bl_child *child, struct bl_err *err)
{
	BL_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char **env = make_environment(how->set_env);
	int fds[3][2] = { { null, 0 }, { out, 1 }, { how->show ? out : null, 2 } };
	struct bl_spawn spawn = { .file = how->program,
		                  .argv = (char *const *)how->args,
		                  .envp = (char *const *)env,
		                  .search = true,
		                  .own_group = true,
		                  .no_pidfd = true,
		                  .dir_fd = -1,
		                  .fds = fds,
		                  .n_fds = 3,
		                  .parent_signal = SIGTERM };
	int status = 0, rc;

	if (null < 0 || !env)
		rc = env ? bl_fail_errno(err, errno, "/dev/null")
		         : bl_fail(err, BL_ENOMEM, "environment: out of memory");
	else
		rc = bl_proc_spawn(&spawn, child, &status, err);
	free((void *)env);
	return rc;
}

struct talk {
	const struct build_child *how;
	struct bl_child child;
	struct bl_buf *said;
	int fd, status;
	bool ended;
	int64_t end_mono_ms; /* INT64_MAX: none */
};

/* The end of what it says is what tells. */
static void keep(struct bl_buf *said, const char *bytes, size_t len)
{
	if (len > said->max)
		return;
	if (said->len + len > said->max)
		bl_buf_drop(said, said->len + len - said->max);
	bl_buf_add(said, bytes, len);
}

/* more false: it has said all. A reader of our stderr that went does not fail a build. */
static int take(struct talk *talk, bool *more, struct bl_err *err)
{
	char piece[PIECE];
	ssize_t n = read(talk->fd, piece, sizeof(piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return bl_fail_errno(err, errno, "read the builder's output");
	*more = n > 0;
	if (n > 0)
		keep(talk->said, piece, (size_t)n);
	if (n > 0 && talk->how->show && bl_fs_write(STDERR_FILENO, piece, (size_t)n, err))
		bl_err_clear(err);
	return bl_buf_check(talk->said, "its output", err);
}

static int look(struct talk *talk, struct bl_err *err)
{
	pid_t got = talk->ended ? 0 : waitpid(talk->child.pid, &talk->status, WNOHANG);

	if (got < 0 && errno != EINTR)
		return bl_fail_errno(err, errno, "wait for the builder");
	talk->ended = talk->ended || got > 0;
	if (talk->ended)
		return 0;
	if (talk->how->stop && atomic_load(talk->how->stop))
		return bl_fail(err, BL_ECANCELLED, "stopped");
	if (bl_mono_ms() >= talk->end_mono_ms)
		return bl_fail(err, BL_ETIMEOUT, "no end after %d s",
		               talk->how->deadline_ms / 1000);
	return 0;
}

/* A helper that it left behind may hold the pipe: silence after its end is the end. */
static int listen_to(struct talk *talk, struct bl_err *err)
{
	for (bool more = true; more || !talk->ended;) {
		struct pollfd waiting = { .fd = more ? talk->fd : -1, .events = POLLIN };
		int ready = poll(&waiting, 1, more ? LOOK_MS : SOON_MS);
		bool was_ended = talk->ended;

		if (ready > 0 && take(talk, &more, err))
			return -1;
		if (look(talk, err))
			return -1;
		if (ready == 0 && was_ended)
			break;
	}
	return 0;
}

/* TERM, then KILL, for it and all in its group. */
static void end(struct talk *talk)
{
	int64_t kill_at = bl_mono_ms() + TERM_MS;

	kill(-talk->child.pid, SIGTERM);
	while (!talk->ended && bl_mono_ms() < kill_at + LAST_MS) {
		if (bl_mono_ms() >= kill_at)
			kill(-talk->child.pid, SIGKILL);
		poll(NULL, 0, 20);
		talk->ended = waitpid(talk->child.pid, &talk->status, WNOHANG) != 0;
	}
	kill(-talk->child.pid, SIGKILL);
}

int build_child_run(const struct build_child *how, struct bl_buf *said, int *status,
                    struct bl_err *err)
{
	struct talk talk = { .how = how, .said = said, .end_mono_ms = INT64_MAX };
	BL_FD from = -1, to = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	from = fds[0];
	to = fds[1];
	if (how->deadline_ms)
		talk.end_mono_ms = bl_mono_ms() + how->deadline_ms;
	if (start(how, to, &talk.child, err))
		return bl_wrap(err, "%s", how->program);
	bl_fd_done(&to);
	talk.fd = from;
	if (listen_to(&talk, err)) {
		end(&talk);
		return bl_wrap(err, "%s", how->program);
	}
	*status = talk.status;
	return 0;
}
