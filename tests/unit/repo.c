/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/repo.h"

#include "tests/unit/folder.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 20

static void read_all(int fd, struct bl_buf *out)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		bl_buf_add(out, bytes, (size_t)n);
	close(fd);
}

int repo_run(const char *dir, const char *const *args, struct bl_buf *out)
{
	static const char *const env[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=A",
		"GIT_AUTHOR_EMAIL=a@example.org",
		"GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=A",
		"GIT_COMMITTER_EMAIL=a@example.org",
		"GIT_COMMITTER_DATE=1700000000 +0000",
		NULL,
	};
	const char *argv[ARGS_MAX] = { "git", "-C", dir };
	posix_spawn_file_actions_t actions;
	int status, ends[2], rc;
	pid_t pid;

	for (size_t i = 0; args[i]; i++) {
		assert_true(i + 4 < ARGS_MAX);
		argv[3 + i] = args[i];
	}
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	if (out)
		posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	rc = posix_spawnp(&pid, "git", &actions, NULL, (char *const *)(uintptr_t)argv,
	                  (char *const *)(uintptr_t)env);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (rc) {
		close(ends[0]);
		return 127;
	}
	if (out)
		read_all(ends[0], out);
	else
		close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void repo_ask(char *text, size_t size, const char *dir, const char *const *args)
{
	BL_AUTO(bl_buf) out = BL_BUF(1u << 20);

	assert_int_equal(repo_run(dir, args, &out), 0);
	snprintf(text, size, "%s", bl_buf_text(&out));
	text[strcspn(text, "\n")] = '\0';
}

int repo_make(void **state)
{
	if (folder_make(state))
		return -1;
	setenv("HOME", folder, 1);
	setenv("XDG_CONFIG_HOME", folder, 1);
	put_text("repo/a", "one\ntwo\nthree\n");
	put_text("repo/b", "no newline");
	put_bytes("repo/bin", "\0\1\2\3", 4);
	put_text("repo/sub/c", "c\n");
	put_text("repo/.gitignore", "*.log\n");
	GIT("repo", "init", "-q", "-b", "main");
	GIT("repo", "add", "-A");
	GIT("repo", "commit", "-q", "-m", "First line\n\nBody");
	return 0;
}

struct bl_git repo_read(const char *name)
{
	struct bl_err err = { 0 };
	struct bl_git git;

	if (bl_git_read(folder_path(name), &git, &err))
		fail_msg("%s", err.text);
	assert_int_equal(err.code, BL_OK);
	return git;
}
