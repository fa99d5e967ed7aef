/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/child.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct bl_child child_start(const char *script, char *const *envp, int *out)
{
	char *argv[] = { CHILD_ARG("sh"), CHILD_ARG("-c"), CHILD_ARG(script), NULL };
	int ends[2], pair[1][2], status;
	struct bl_err err = { 0 };
	struct bl_child child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pair[0][0] = ends[1];
	pair[0][1] = 1;
	struct bl_spawn how = {
		.file = "sh",
		.argv = argv,
		.envp = envp,
		.search = true,
		.own_group = true,
		.dir_fd = -1,
		.fds = pair,
		.n_fds = 1,
		.parent_signal = SIGKILL,
	};
	if (bl_proc_spawn(&how, &child, &status, &err))
		fail_msg("%s", err.text);
	close(ends[1]);
	*out = ends[0];
	return child;
}

void child_read(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

int child_wait(struct bl_child *child)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
	int status;

	if (poll(&ended, 1, CHILD_PATIENCE_MS) != 1)
		fail_msg("process %d did not end", child->pid);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	close(child->pidfd);
	return status;
}
