/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/publish_decide.h"

#include "run/report_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LOGIN_MAX 39 /* GitHub's own limit */

bool publish_is_bad(const struct bl_report *report)
{
	return report->now.result.status == BL_STATUS_SUCCESS && report->mood == BL_MOOD_BAD;
}

const char *publish_state(const struct bl_result *result, bool is_bad)
{
	switch (result->status) {
	case BL_STATUS_SUCCESS:
		return is_bad ? "failure" : "success";
	case BL_STATUS_FAILURE:
	case BL_STATUS_TIMEOUT:
	case BL_STATUS_BUDGET:
		return "failure";
	case BL_STATUS_CANCELLED:
	case BL_STATUS_INTERRUPTED:
		break;
	}
	return "error";
}

const char *publish_word(const struct bl_report *report)
{
	const struct bl_row *row = bl_report_row(report, report->primary);

	if (report->gate_failed)
		return "gate";
	if (!row)
		return "none";
	switch (row->word) {
	case BL_CHANGE_BETTER:
		return "better";
	case BL_CHANGE_WORSE:
	case BL_CHANGE_DIVERGED:
		return "worse";
	case BL_CHANGE_SAME:
		return "same";
	case BL_CHANGE_NONE:
		break;
	}
	return "none";
}

static size_t add_plain(char *out, size_t size, size_t len, const char *text, size_t max)
{
	for (size_t n = 0; *text && n < max && len + 1 < size; text++, n++)
		out[len++] =
			isalnum((unsigned char)*text) || strchr("_-./@+: ", *text) ? *text : '_';
	out[len] = '\0';
	return len;
}

void publish_context(const struct bl_report *report, char out[PUBLISH_CONTEXT_SIZE])
{
	/* what is configured stays the same when a run fails before it reports anything */
	const char *metric = report->rules.primary[0] ? report->rules.primary : report->primary;
	const char *job = report->now.job[0] ? report->now.job : "default";
	size_t len = add_plain(out, PUBLISH_CONTEXT_SIZE, 0, job, 65);

	out[len++] = '/';
	add_plain(out, PUBLISH_CONTEXT_SIZE, len, metric[0] ? metric : "training", 128);
}

bool publish_notifies(const char *word, const struct bl_result *result, bool is_bad)
{
	if (!strcmp(word, "never"))
		return false;
	if (!strcmp(word, "always"))
		return true;
	/* who cancels knows it already */
	return result->status == BL_STATUS_SUCCESS ? is_bad : result->status != BL_STATUS_CANCELLED;
}

bool publish_is_login(const char *login)
{
	size_t len = strlen(login);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)login[i]) && (login[i] != '-' || !i))
			return false;
	return len && len <= LOGIN_MAX;
}

void publish_notice(const struct bl_report *report, const char *login, const char *url,
                    struct bl_buf *out)
{
	if (publish_is_login(login))
		bl_buf_addf(out, "@%s ", login);
	bl_buf_addf(out, "%s ", bl_mood_icon(report->mood));
	bl_text_md(out, report->verdict, 200);
	if (report->next[0]) {
		bl_buf_adds(out, ". **Next:** ");
		bl_text_md(out, report->next, 200);
	}
	if (*url)
		bl_buf_addf(out, ". [Report](%s)", url);
	bl_buf_adds(out, "\n");
}

void publish_key(const struct bl_run *run, char *out, size_t size)
{
	snprintf(out, size, "%s", *run->group ? run->group : *run->job ? run->job : "default");
}

enum bl_code publish_code(const struct bl_result *result, bool gate_failed)
{
	if (result->status == BL_STATUS_SUCCESS)
		return gate_failed ? BL_ETRAIN : BL_OK;
	return bl_class_code(result->class);
}
