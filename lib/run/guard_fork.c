/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guard_fork.h"

#include "base/str.h"
#include "codec/json.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

static bool take(const struct bl_value *doc, const char *path, char *to, size_t size)
{
	const char *text = bl_value_text_or(doc, path, "");

	snprintf(to, size, "%s", text);
	return *text && strlen(text) < size;
}

int bl_guard_fork_read(const char *bytes, size_t len, struct bl_guard_fork *out, struct bl_err *err)
{
	struct bl_guard_fork fork = { 0 };
	const struct bl_value *run;
	BL_VALUE doc = NULL;

	if (bl_json_parse(bytes, len, "the event", &doc, err)) {
		if (err->code == BL_ECORRUPT)
			bl_recode(err, BL_EINPUT);
		return -1;
	}
	run = bl_value_get(doc, "workflow_run");
	fork.repository_id = bl_value_int_or(doc, "repository.id", 0);
	fork.head_repository_id = bl_value_int_or(run, "head_repository.id", 0);
	if (!run || !fork.repository_id)
		return bl_fail(err, BL_EINPUT, "the event: it is not of a workflow's run");
	/* a repository that is gone has no branch whose pull request could be found */
	if (!fork.head_repository_id || fork.head_repository_id == fork.repository_id ||
	    strcmp(bl_value_text_or(run, "event", ""), "pull_request") != 0) {
		*out = (struct bl_guard_fork){ .repository_id = fork.repository_id };
		return 0;
	}
	fork.is_fork = true;
	if (!take(run, "head_branch", fork.branch, sizeof(fork.branch)) ||
	    !take(run, "head_repository.owner.login", fork.owner, sizeof(fork.owner)) ||
	    !take(run, "head_sha", fork.sha, sizeof(fork.sha)) || !bl_str_is_sha(fork.sha))
		return bl_fail(err, BL_EINPUT,
		               "the event: its run has no branch, owner and commit");
	*out = fork;
	return 0;
}

void bl_guard_fork_path(const struct bl_guard_fork *fork, struct bl_buf *out)
{
	bl_buf_adds(out, "pulls?state=open&per_page=100&head=");
	bl_uri_add(out, fork->owner, strlen(fork->owner));
	bl_buf_adds(out, "%3A");
	bl_uri_add(out, fork->branch, strlen(fork->branch));
}

/* "train" or "train:JOB", which says more. */
static const char *our_label(const struct bl_value *labels, const char *label)
{
	const char *found = "";

	for (size_t i = 0; labels && labels->type == BL_LIST && i < labels->n; i++) {
		const char *name = bl_value_text_or(labels->items[i], "name", "");

		if (bl_guard_is_label(name, label) && strlen(name) > strlen(found))
			found = name;
	}
	return found;
}

bool bl_guard_fork_event(const struct bl_guard_fork *fork, const struct bl_value *pull,
                         const char *label, struct bl_guard_event *out)
{
	struct bl_guard_event event = { .name = "pull_request",
		                        .action = "labeled",
		                        .repository_id = fork->repository_id,
		                        .head_repository_id = fork->head_repository_id };
	const char *ours = our_label(bl_value_get(pull, "labels"), label);

	event.pr = bl_value_int_or(pull, "number", 0);
	if (!fork->is_fork || event.pr <= 0 || !*ours ||
	    bl_value_int_or(pull, "head.repo.id", 0) != fork->head_repository_id ||
	    strcmp(bl_value_text_or(pull, "head.sha", ""), fork->sha) != 0)
		return false;
	snprintf(event.label, sizeof(event.label), "%s", ours);
	memcpy(event.sha, fork->sha, sizeof(event.sha));
	memcpy(event.head_ref, fork->branch, sizeof(event.head_ref));
	*out = event;
	return true;
}
