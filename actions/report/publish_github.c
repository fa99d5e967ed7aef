/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/publish_decide.h"
#include "actions/report/publish_parts.h"
#include "actions/workflow.h"
#include "base/log.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_SIZE 1024

void publish_missed(struct publishing *it, const char *what, struct bl_err *err)
{
	if (!err->code)
		return;
	it->try_again |= err->code == BL_ERETRY;
	it->out->missed++;
	bl_wrap(err, "report: %s", what);
	bl_log_err(BL_LOG_WARN, err);
	bl_err_clear(err);
}

/* Where people read: GITHUB_SERVER_URL, never a host of our own making. */
static void page_url(const struct publishing *it, char out[URL_SIZE])
{
	const char *server = getenv("GITHUB_SERVER_URL");

	out[0] = '\0';
	if (!server || !bl_str_starts(server, "http"))
		return;
	if (it->out->comment_id)
		snprintf(out, URL_SIZE, "%.500s/%.200s/pull/%" PRId64 "#issuecomment-%" PRId64,
		         server, bl_github_repository(it->github), it->run->pr,
		         it->out->comment_id);
	else if (it->of_this_job)
		workflow_job_url(out);
}

static int put_comment(struct publishing *it, struct bl_err *err)
{
	const struct guarded *guarded = &it->cloud->guarded;
	struct bl_sticky sticky = { .number = it->run->pr };
	BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MD_MAX);

	publish_key(it->run, sticky.key, sizeof(sticky.key));
	if (it->of_this_job && guarded->key[0]) {
		snprintf(sticky.key, sizeof(sticky.key), "%s", guarded->key);
		sticky.id = guarded->comment_id;
	}
	if (bl_report_comment(it->report, &text, err) ||
	    bl_sticky_put(it->github, &sticky, bl_buf_text(&text), true, NULL, err))
		return -1;
	it->out->comment_id = sticky.id;
	return 0;
}

/* --- Status ----------------------------------------------------------------------------------- */

struct status {
	char context[PUBLISH_CONTEXT_SIZE], text[160];
	const char *state;
	bool is_said; /* the newest of this context says the same */
};

/* The newest comes first: it alone counts. */
static int compare_status(void *arg, const struct bl_value *item, struct bl_err *err)
{
	struct status *status = arg;

	(void)err;
	if (strcmp(bl_value_text_or(item, "context", ""), status->context) != 0)
		return 0;
	status->is_said = !strcmp(bl_value_text_or(item, "state", ""), status->state) &&
	                  !strcmp(bl_value_text_or(item, "description", ""), status->text);
	return 1;
}

/* At most 140 characters, as GitHub takes them; ours are bytes. */
static void describe(const struct bl_report *report, char out[160])
{
	size_t len = bl_utf8_valid(report->verdict, strnlen(report->verdict, 136));

	snprintf(out, 160, "%.*s%s", (int)len, report->verdict, report->verdict[len] ? "…" : "");
}

static int put_status(struct publishing *it, const char *url, struct bl_err *err)
{
	struct status status = { .state = publish_state(&it->out->result,
		                                        publish_is_bad(it->report)) };
	const char *sha = it->run->head;
	char path[128];

	if (strlen(sha) != 40 || it->run->dirty)
		return 0;
	publish_context(it->report, status.context);
	describe(it->report, status.text);
	snprintf(path, sizeof(path), "commits/%.40s/statuses?per_page=100", sha);
	if (bl_github_each(it->github, path, compare_status, &status, err) < 0)
		bl_err_clear(err); /* then it may be said twice, which is the same */
	if (status.is_said)
		return 0;
	return bl_github_status(it->github, sha, status.state, status.context, status.text,
	                        *url ? url : NULL, err);
}

/* --- Notice, reaction, label ------------------------------------------------------------------ */

/* A comment of its own, since edits send no mail: found again by its run, so never twice. */
static int put_notice(struct publishing *it, const char *url, struct bl_err *err)
{
	const char *login = bl_value_text_or(it->run->doc, "labeller", "");
	struct bl_sticky sticky = { .number = it->run->pr };
	BL_AUTO(bl_buf) text = BL_BUF(8192);

	if (!*login)
		login = it->run->actor;
	if (!publish_is_login(login) ||
	    !publish_notifies(it->notify, &it->out->result, publish_is_bad(it->report)))
		return 0;
	snprintf(sticky.key, sizeof(sticky.key), "notice/%s", it->run->id);
	publish_notice(it->report, login, url, &text);
	if (bl_buf_check(&text, "notice", err))
		return -1;
	return bl_sticky_put(it->github, &sticky, bl_buf_text(&text), true, NULL, err);
}

/* The one that started it where that is known, else both that may have. */
static int remove_label(struct publishing *it, struct bl_err *err)
{
	const struct guarded *guarded = &it->cloud->guarded;
	const char *label = it->report->label[0] ? it->report->label : "train";
	char with_job[256];

	if (it->of_this_job && guarded->label[0])
		return bl_github_label_remove(it->github, it->run->pr, guarded->label, err);
	snprintf(with_job, sizeof(with_job), "%s:%s", label, it->run->job);
	return bl_github_label_remove(it->github, it->run->pr, label, err) ||
	                       bl_github_label_remove(it->github, it->run->pr, with_job, err)
	               ? -1
	               : 0;
}

static int react(struct publishing *it, struct bl_err *err)
{
	bool well = it->out->result.status == BL_STATUS_SUCCESS && !publish_is_bad(it->report);

	return bl_github_react(it->github, it->run->pr, well ? "hooray" : "confused", err);
}

void publish_github(struct publishing *it)
{
	bool has_pull = it->run->pr > 0, is_newest = !it->report->history.newer;
	struct bl_err err = { 0 };
	char url[URL_SIZE];

	if (!it->github)
		return;
	/* the comment is that of the newest run: an older one is in its history */
	if (has_pull && is_newest && put_comment(it, &err)) {
		/* a pull request's token may be read-only; collect's, of main, is not */
		it->try_again |= err.code == BL_EDENIED && it->cloud->guarded.is_pull_request;
		publish_missed(it, "comment", &err);
	}
	page_url(it, url);
	if (is_newest && put_status(it, url, &err))
		publish_missed(it, "commit status", &err);
	if (!has_pull)
		return;
	if (put_notice(it, url, &err))
		publish_missed(it, "notice", &err);
	if (is_newest && react(it, &err))
		publish_missed(it, "reaction", &err);
	if (is_newest && remove_label(it, &err))
		publish_missed(it, "label", &err);
}
