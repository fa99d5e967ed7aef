/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/post.h"

#include "actions/workflow.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "net/github.h"
#include "run/guard_fork.h"
#include "run/sticky.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLEAN_MAX (POST_MAX * 8)
#define NOTE "<sub>Made by a workflow of a fork, which may have written anything here.</sub>\n"

static int read_text(const char *path, struct bl_buf *out, struct bl_err *err)
{
	if (bl_fs_read_path(path, out, err)) {
		if (err->code == BL_ELIMIT)
			bl_recode(err, BL_EINPUT);
		return bl_wrap(err, "--post");
	}
	if (memchr(bl_buf_text(out), '\0', out->len) ||
	    bl_utf8_valid(bl_buf_text(out), out->len) != out->len)
		return bl_fail(err, BL_EINPUT, "--post: '%.200s' is no text in UTF-8", path);
	if (!out->len)
		return bl_fail(err, BL_EINPUT, "--post: '%.200s' is empty", path);
	return 0;
}

/* --- Whom to ---------------------------------------------------------------------------------- */

struct wanted {
	const struct bl_guard_fork *fork;
	int64_t number; /* found; 0: none */
};

static int is_it(void *arg, const struct bl_value *pull, struct bl_err *err)
{
	struct wanted *wanted = arg;

	(void)err;
	if (bl_value_int_or(pull, "head.repo.id", 0) != wanted->fork->head_repository_id ||
	    strcmp(bl_value_text_or(pull, "head.sha", ""), wanted->fork->sha) != 0)
		return 0;
	wanted->number = bl_value_int_or(pull, "number", 0);
	return 1;
}

static int find_number(struct bl_github *github, const struct bl_guard_fork *fork, int64_t *number,
                       struct bl_err *err)
{
	struct wanted wanted = { .fork = fork };
	BL_AUTO(bl_buf) path = BL_BUF(4096);

	bl_guard_fork_path(fork, &path);
	if (bl_buf_check(&path, "branch", err) ||
	    bl_github_each(github, bl_buf_text(&path), is_it, &wanted, err) < 0)
		return -1;
	if (!wanted.number)
		return bl_fail(err, BL_ENOENT, "no open pull request has %.7s as its head any more",
		               fork->sha);
	*number = wanted.number;
	return 0;
}

/* The number may come from the artifact: only the event tells whose commit was looked at. */
static int check_number(struct bl_github *github, const struct bl_guard_fork *fork, int64_t number,
                        struct bl_err *err)
{
	struct bl_github_pull pull;

	if (bl_github_pull_get(github, number, &pull, err))
		return -1;
	if (!strcmp(pull.head_sha, fork->sha) &&
	    pull.head_repository_id == fork->head_repository_id)
		return 0;
	bl_fail(err, BL_EDENIED, "the head of pull request #%lld is %.7s, not %.7s of this event",
	        (long long)number, pull.head_sha, fork->sha);
	return bl_next(err, "leave --pr out: the event tells which one it is");
}

static int choose_number(struct bl_github *github, const struct post_options *options,
                         int64_t *number, struct bl_err *err)
{
	const char *name = getenv("GITHUB_EVENT_NAME");
	BL_AUTO(bl_buf) event = BL_BUF(WORKFLOW_EVENT_MAX);
	struct bl_guard_fork fork = { 0 };
	bool there = false;

	*number = options->number;
	if (name && !strcmp(name, "workflow_run") && workflow_event(&event, &there, err))
		return -1;
	if (there && bl_guard_fork_read(bl_buf_text(&event), event.len, &fork, err))
		return -1;
	if (fork.is_fork)
		return *number ? check_number(github, &fork, *number, err)
		               : find_number(github, &fork, number, err);
	if (*number > 0)
		return 0;
	bl_fail(err, BL_EINPUT, "--post: which pull request?");
	return bl_next(err, "--pr N, or call it in a workflow of `workflow_run`");
}

int post_report(const struct post_options *options, struct bl_err *err)
{
	static const struct bl_github_options from_environment = { .patience_ms = 0 };
	struct bl_sticky sticky = { 0 };
	BL_AUTO(bl_buf) given = BL_BUF(POST_MAX);
	BL_AUTO(bl_buf) text = BL_BUF(CLEAN_MAX);
	BL_GITHUB github = NULL;

	snprintf(sticky.key, sizeof(sticky.key), "%s", options->key ? options->key : "fork");
	if (read_text(options->path, &given, err) ||
	    bl_github_open(&from_environment, &github, err) ||
	    choose_number(github, options, &sticky.number, err))
		return bl_wrap(err, "report");
	post_clean(bl_buf_text(&given), &text);
	bl_buf_adds(&text, "\n" NOTE);
	if (bl_buf_check(&text, "comment", err) ||
	    bl_sticky_put(github, &sticky, bl_buf_text(&text), true, NULL, err))
		return bl_wrap(err, "report");
	printf("comment %lld on #%lld\n", (long long)sticky.id, (long long)sticky.number);
	return 0;
}
