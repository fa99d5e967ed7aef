/* SPDX-License-Identifier: Apache-2.0 */
/* credential_process: another program prints the keys. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)64 << 10)
#define DEADLINE_MS 60000

static int start(char *const *words, int out, struct bl_child *child, struct bl_err *err)
{
	BL_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[2][2] = { { null, 0 }, { out, 1 } }, status;
	struct bl_spawn how = { .file = words[0],
		                .argv = words,
		                .search = !strchr(words[0], '/'),
		                .own_group = true,
		                .no_pidfd = true,
		                .dir_fd = -1,
		                .fds = fds,
		                .n_fds = BL_COUNT(fds),
		                .parent_signal = SIGKILL };

	if (null < 0)
		return bl_fail_errno(err, errno, "/dev/null");
	return bl_proc_spawn(&how, child, &status, err);
}

/* Until it closes its output. */
static int read_all(int fd, struct bl_buf *out, struct bl_err *err)
{
	int64_t deadline = bl_mono_ms() + DEADLINE_MS, left;

	for (;;) {
		struct pollfd waiting = { .fd = fd, .events = POLLIN };
		char *room = bl_buf_room(out, 4096);
		ssize_t n;

		if (!room)
			return bl_buf_check(out, "its output", err);
		left = deadline - bl_mono_ms();
		if (left <= 0 || poll(&waiting, 1, (int)left) == 0)
			return bl_fail(err, BL_ETIMEOUT, "no end after %d s", DEADLINE_MS / 1000);
		n = read(fd, room, 4096);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return bl_fail_errno(err, errno, "read its output");
		if (n > 0)
			bl_buf_grew(out, (size_t)n);
	}
}

/* One that closed its output but lives on is ended with its group, too. */
static int reap(const struct bl_child *child, bool failed, struct bl_err *err)
{
	int status = 0, flags = failed ? 0 : WNOHANG;
	int64_t deadline = bl_mono_ms() + 1000;
	pid_t got;

	if (failed)
		kill(-child->pid, SIGKILL);
	while ((got = waitpid(child->pid, &status, flags)) != child->pid) {
		if (got < 0 && errno != EINTR)
			return bl_fail_errno(err, errno, "wait for it");
		if (got == 0 && bl_mono_ms() > deadline) {
			kill(-child->pid, SIGKILL);
			flags = 0;
		} else if (got == 0) {
			poll(NULL, 0, 1);
		}
	}
	if (failed)
		return -1;
	if (WIFSIGNALED(status))
		return bl_fail(err, BL_EDENIED, "ended by %s", bl_signal_name(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return bl_fail(err, BL_EDENIED, "exit status %d", WEXITSTATUS(status));
	return 0;
}

static int run(char *const *words, struct bl_buf *out, struct bl_err *err)
{
	BL_FD from = -1, to = -1;
	struct bl_child child;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	from = fds[0];
	to = fds[1];
	if (start(words, to, &child, err))
		return -1;
	bl_fd_done(&to);
	rc = read_all(from, out, err);
	return reap(&child, rc != 0, err);
}

static int check_version(const struct bl_buf *out, struct bl_err *err)
{
	BL_VALUE document = NULL;

	/* a version written as text is no version: AWS's own tools refuse it, too */
	if (bl_json_parse(bl_buf_text(out), out->len, "its output", &document, err))
		return -1;
	if (bl_value_int_or(document, "Version", 0) != 1)
		return bl_fail(err, BL_ECORRUPT, "its output: Version is not 1");
	return 0;
}

int creds_profile_process(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                          struct bl_err *err)
{
	const char *line =
		bl_profiles_get(creds->profiles, "profile", profile, "credential_process");
	BL_SECRET_BUF output = BL_BUF(OUTPUT_MAX);
	char **words = NULL;
	int rc;

	rc = creds_split(line ? line : "", &words, err) || run(words, &output, err) ||
	     check_version(&output, err) ||
	     creds_from_json(bl_buf_text(&output), output.len, "its output", out, err);
	free(words);
	if (rc) {
		bl_wrap(err, "credential_process of profile %.64s", profile);
		return bl_next(err, "run that command by hand; its messages are above");
	}
	creds_label(out, "credential_process of profile %.50s", profile);
	return 0;
}
