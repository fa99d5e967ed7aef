/* SPDX-License-Identifier: Apache-2.0 */
/* A fork's pull request, told from a workflow that ran after its own (`workflow_run`). */
#include "run/guard_fork.h"
#include "actions/guard/guard_parts.h"
#include "actions/tell.h"
#include "actions/workflow.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES ((size_t)4096)
#define PATIENCE_MS 60000

struct looked {
	const struct bl_guard_fork *fork;
	const char *label;
	struct bl_guard_event event; /* pr 0: not found */
};

static int look_at(void *arg, const struct bl_value *pull, struct bl_err *err)
{
	struct looked *looked = arg;

	(void)err;
	return bl_guard_fork_event(looked->fork, pull, looked->label, &looked->event);
}

static int read_fork(struct bl_guard_fork *fork, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(WORKFLOW_EVENT_MAX);
	bool there;

	if (workflow_event(&bytes, &there, err))
		return -1;
	return bl_guard_fork_read(bl_buf_text(&bytes), bytes.len, fork, err);
}

static void comment_on(struct guarding *guarding, const struct bl_guard_event *event)
{
	BL_AUTO(tell) tell = { .failed = false };
	struct guarded guarded = { .in_workflow = true, .pr = event->pr };
	struct bl_comment comment;

	snprintf(guarded.key, sizeof(guarded.key), "%s",
	         *guarding->guard.job ? guarding->guard.job : "default");
	memcpy(guarded.sha, event->sha, sizeof(guarded.sha));
	tell_with(&tell, &guarded, guarding->github);
	guarding->github = NULL;
	bl_comment_init(&comment);
	comment.state = BL_COMMENT_REFUSED;
	comment.message = guarding->guard.reason;
	comment.next = guarding->guard.next;
	tell_comment(&tell, &comment, true);
}

int guard_fork(struct guarding *guarding, struct bl_err *err)
{
	const struct bl_github_options options = { .patience_ms = PATIENCE_MS };
	BL_AUTO(bl_buf) path = BL_BUF(PATH_MAX_BYTES);
	struct bl_guard_fork fork;
	char label[128];
	struct looked looked = { .fork = &fork, .label = label };
	const struct bl_guard_rules rules = { .label = label, .job = "" };

	if (read_fork(&fork, err))
		return -1;
	if (!fork.is_fork) {
		bl_log(BL_LOG_INFO, "not for us: that run was not of a fork's pull request");
		return 0;
	}
	guard_label(guarding, label);
	bl_guard_fork_path(&fork, &path);
	if (bl_buf_check(&path, "path", err) || bl_github_open(&options, &guarding->github, err))
		return -1;
	if (bl_github_each(guarding->github, bl_buf_text(&path), look_at, &looked, err) < 0)
		return bl_wrap(err, "the pull request of %s:%s", fork.owner, fork.branch);
	if (!looked.event.pr) {
		bl_log(BL_LOG_INFO,
		       "not for us: no open pull request of that commit has the label");
		return 0;
	}
	bl_guard_decide(&looked.event, &rules, NULL, &guarding->guard);
	comment_on(guarding, &looked.event);
	bl_log(BL_LOG_INFO, "told pull request #%lld: %s", (long long)looked.event.pr,
	       guarding->guard.reason);
	return 0;
}
