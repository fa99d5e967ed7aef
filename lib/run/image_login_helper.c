/* SPDX-License-Identifier: Apache-2.0 */
/* docker-credential-NAME: another program knows the password. */
#include "run/image_login_parts.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX ((size_t)8 << 10) /* of its messages; what is more is read and dropped */
#define PIECE 4096
#define LAST_MS 5000 /* for the kernel to end it */

struct talk {
	int fds[2]; /* its output, its messages; -1: at their end */
	struct bl_buf *bufs[2];
	int64_t deadline_mono_ms;
	int deadline_ms;
};

static int make_pipe(int *from, int *to, struct bl_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	*from = fds[0];
	*to = fds[1];
	return 0;
}

static int start(const char *program, int in, int out, int messages, struct bl_child *child,
                 struct bl_err *err)
{
	char name[160], get[] = "get";
	char *argv[] = { name, get, NULL };
	int fds[3][2] = { { in, 0 }, { out, 1 }, { messages, 2 } }, status;
	struct bl_spawn how = { .file = name,
		                .argv = argv,
		                .search = true,
		                .own_group = true,
		                .no_pidfd = true,
		                .dir_fd = -1,
		                .fds = fds,
		                .n_fds = BL_COUNT(fds),
		                .parent_signal = SIGKILL };

	snprintf(name, sizeof(name), "%s", program);
	return bl_proc_spawn(&how, child, &status, err);
}

/* Up to PIECE bytes of one of the two. */
static int take(struct talk *talk, size_t i, struct bl_err *err)
{
	struct bl_buf *buf = talk->bufs[i];
	char piece[PIECE];
	ssize_t n = read(talk->fds[i], piece, sizeof(piece));

	if (n < 0 && errno != EINTR)
		return bl_fail_errno(err, errno, "read what it says");
	if (n == 0)
		talk->fds[i] = -1; /* poll() passes it over */
	if (n <= 0)
		return 0;
	/* of messages the beginning tells */
	if (i == 1 && (size_t)n > buf->max - buf->len)
		n = (ssize_t)(buf->max - buf->len);
	bl_buf_add(buf, piece, (size_t)n);
	bl_wipe(piece, sizeof(piece));
	return bl_buf_check(buf, "its output", err);
}

static int listen_to(struct talk *talk, struct bl_err *err)
{
	while (talk->fds[0] >= 0 || talk->fds[1] >= 0) {
		struct pollfd waiting[2] = { { .fd = talk->fds[0], .events = POLLIN },
			                     { .fd = talk->fds[1], .events = POLLIN } };
		int64_t left = talk->deadline_mono_ms - bl_mono_ms();

		if (left <= 0 || poll(waiting, 2, (int)left) == 0)
			return bl_fail(err, BL_ETIMEOUT, "no answer in %d s",
			               talk->deadline_ms / 1000);
		for (size_t i = 0; i < 2; i++)
			if (waiting[i].revents && take(talk, i, err))
				return -1;
	}
	return 0;
}

/* One that said all but lives on is ended at the deadline, and its group with it. */
static int reap(const struct bl_child *child, int64_t deadline_mono_ms, int *status,
                struct bl_err *err)
{
	pid_t got;

	while ((got = waitpid(child->pid, status, WNOHANG)) != child->pid) {
		if (got < 0 && errno != EINTR)
			return bl_fail_errno(err, errno, "wait for it");
		if (bl_mono_ms() >= deadline_mono_ms + LAST_MS)
			return bl_fail(err, BL_ETIMEOUT, "it does not end, not even by SIGKILL");
		if (bl_mono_ms() >= deadline_mono_ms)
			kill(-child->pid, SIGKILL);
		poll(NULL, 0, 1);
	}
	return 0;
}

static int run(const char *program, const char *registry, int deadline_ms, struct bl_buf *out,
               struct bl_buf *said, int *status, struct bl_err *err)
{
	BL_FD in_from = -1, in_to = -1, out_from = -1, out_to = -1, said_from = -1, said_to = -1;
	struct talk talk = { .bufs = { out, said },
		             .deadline_mono_ms = bl_mono_ms() + deadline_ms,
		             .deadline_ms = deadline_ms };
	struct bl_child child;
	int rc;

	if (make_pipe(&in_from, &in_to, err) || make_pipe(&out_from, &out_to, err) ||
	    make_pipe(&said_from, &said_to, err))
		return -1;
	/* before it runs: a name fits into the pipe, and no reader that went can hurt us */
	if (bl_fs_write(in_to, registry, strlen(registry), err) ||
	    start(program, in_from, out_to, said_to, &child, err))
		return -1;
	bl_fd_done(&in_to);
	bl_fd_done(&out_to);
	bl_fd_done(&said_to);
	talk.fds[0] = out_from;
	talk.fds[1] = said_from;
	rc = listen_to(&talk, err);
	if (rc)
		kill(-child.pid, SIGKILL);
	if (reap(&child, talk.deadline_mono_ms, status, err))
		rc = -1;
	return rc;
}

/* --- What it answered ------------------------------------------------------------------------- */

/* Its first line, fit for a message. */
static void add_line(struct bl_buf *to, const struct bl_buf *said)
{
	const char *text = bl_buf_text(said);
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, "\r\n");
	bl_utf8_add(to, text, len < 200 ? len : 200);
	for (size_t i = 0; i < to->len; i++)
		if ((unsigned char)to->data[i] < ' ' || to->data[i] == 0x7f)
			to->data[i] = ' ';
}

static int failed(const struct bl_buf *out, const struct bl_buf *said, int status,
                  struct bl_err *err)
{
	BL_AUTO(bl_buf) line = BL_BUF(1024);

	if (WIFSIGNALED(status))
		return bl_fail(err, BL_EDENIED, "ended by %s", bl_signal_name(WTERMSIG(status)));
	/* helpers say why on their standard output */
	add_line(&line, out);
	if (!line.len)
		add_line(&line, said);
	return bl_fail(err, BL_EDENIED, "exit status %d%s%s", WEXITSTATUS(status),
	               line.len ? ": " : "", bl_buf_text(&line));
}

static int read_answer(const struct bl_buf *out, struct bl_login *login, bool *found,
                       struct bl_err *err)
{
	BL_VALUE root = NULL;
	const char *user, *secret;
	int rc;

	if (bl_json_parse(bl_buf_text(out), out->len, "its answer", &root, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		/* the parser's own words quote the document */
		bl_err_clear(err);
		return bl_fail(err, BL_EINPUT, "its answer is not JSON");
	}
	user = bl_value_text_or(root, "Username", NULL);
	secret = bl_value_text_or(root, "Secret", NULL);
	if (user && secret)
		rc = login_set(login, user, secret, strlen(secret), found, err);
	else
		rc = bl_fail(err, BL_EINPUT, "its answer lacks Username or Secret");
	login_wipe(root);
	return rc;
}

static int cannot_ask(const char *program, const char *registry, struct bl_err *err)
{
	bl_wrap(err, "%s", program);
	if (err->code == BL_ENOMEM)
		return -1;
	/* what is missing is no repository */
	if (err->code == BL_ENOENT)
		bl_recode(err, BL_EINPUT);
	return bl_next(err, "try it by hand: printf %%s %s | %s get", registry, program);
}

int login_ask_helper(const char *name, const char *registry, int deadline_ms, struct bl_login *out,
                     bool *found, struct bl_err *err)
{
	BL_SECRET_BUF answer = BL_BUF(LOGIN_HELPER_MAX);
	BL_AUTO(bl_buf) said = BL_BUF(SAID_MAX);
	struct bl_login got = { 0 };
	char program[160];
	bool is_login = false;
	int status = 0, rc;

	snprintf(program, sizeof(program), "docker-credential-%.127s", name);
	/* it must not grow: copies would stay behind */
	if (!bl_buf_room(&answer, LOGIN_HELPER_MAX))
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", program);
	rc = run(program, registry, deadline_ms, &answer, &said, &status, err);
	if (!rc && status && !strstr(bl_buf_text(&answer), "credentials not found"))
		rc = failed(&answer, &said, status, err);
	else if (!rc && !status)
		rc = read_answer(&answer, &got, &is_login, err);
	if (rc) {
		bl_login_done(&got);
		return cannot_ask(program, registry, err);
	}
	*out = got;
	*found = is_login;
	return 0;
}
