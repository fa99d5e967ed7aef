/* SPDX-License-Identifier: Apache-2.0 */
#include "net/github_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BOT "github-actions[bot]" /* whoever uses a workflow's GITHUB_TOKEN */
#define PER_PAGE 100
#define FEWER_PER_PAGE 20 /* of the longest comments that GitHub takes a page stays below 8 MiB */
#define PAGES 500

/* --- Writing ---------------------------------------------------------------------------------- */

static int body_of(const char *text, struct bl_buf *body, struct bl_err *err)
{
	struct bl_json json = BL_JSON(body);
	size_t len = strlen(text);

	if (len > BL_GITHUB_COMMENT_MAX)
		return bl_fail(err, BL_ELIMIT, "GitHub: a comment of %zu bytes: %u at most", len,
		               BL_GITHUB_COMMENT_MAX);
	bl_json_map(&json, NULL);
	bl_json_text(&json, "body", text);
	bl_json_end_map(&json);
	return bl_buf_check(body, "comment", err);
}

int bl_github_comment_create(struct bl_github *github, int64_t number, const char *text,
                             int64_t *id, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_GITHUB_REPLY_MAX);
	BL_VALUE doc = NULL;
	char path[64];

	snprintf(path, sizeof(path), "issues/%" PRId64 "/comments", number);
	if (body_of(text, &body, err) || bl_github_call(github, "POST", path, &body, &doc, err))
		return -1;
	return bl_value_int(doc, "id", id, err);
}

int bl_github_comment_edit(struct bl_github *github, int64_t id, const char *text,
                           struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_GITHUB_REPLY_MAX);
	char path[64];

	snprintf(path, sizeof(path), "issues/comments/%" PRId64, id);
	return body_of(text, &body, err) || bl_github_call(github, "PATCH", path, &body, NULL, err)
	               ? -1
	               : 0;
}

int bl_github_comment_delete(struct bl_github *github, int64_t id, struct bl_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "issues/comments/%" PRId64, id);
	if (bl_github_call(github, "DELETE", path, NULL, NULL, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* perhaps by us, before a reply was lost */
	}
	return 0;
}

/* --- Finding ---------------------------------------------------------------------------------- */

/* Whose the token is, asked once; a workflow's has nobody: 403. */
static int learn_who(struct bl_github *github, struct bl_err *err)
{
	BL_VALUE doc = NULL;

	if (github->asked_who)
		return 0;
	if (bl_github_call(github, "GET", "/user", NULL, &doc, err)) {
		if (err->code != BL_EDENIED && err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	github->asked_who = true;
	snprintf(github->who, sizeof(github->who), "%s", bl_value_text_or(doc, "login", ""));
	return 0;
}

static int is_ours(struct bl_github *github, const struct bl_value *comment, bool *ours,
                   struct bl_err *err)
{
	const char *author = bl_value_text_or(comment, "user.login", "");

	*ours = !strcmp(author, BOT);
	if (*ours)
		return 0;
	if (learn_who(github, err))
		return -1;
	*ours = *author && !strcasecmp(author, github->who);
	return 0;
}

static bool begins_with_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	return !strncmp(text, line, len) && (!text[len] || text[len] == '\n' || text[len] == '\r');
}

struct search {
	struct bl_github *github;
	const char *marker;
	int64_t id; /* 0: not yet */
	struct bl_buf *body;
};

static int look(void *arg, const struct bl_value *comment, struct bl_err *err)
{
	struct search *search = arg;
	const char *text = bl_value_text_or(comment, "body", "");
	bool ours;

	if (!begins_with_line(text, search->marker))
		return 0;
	if (is_ours(search->github, comment, &ours, err))
		return -1;
	if (!ours)
		return 0;
	if (bl_value_int(comment, "id", &search->id, err))
		return -1;
	if (search->body)
		bl_buf_adds(search->body, text);
	return 1; /* they come oldest first */
}

int bl_github_comment_find(struct bl_github *github, int64_t number, const char *marker,
                           int64_t *id, struct bl_buf *body, struct bl_err *err)
{
	struct search search = { github, marker, 0, body };
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "issues/%" PRId64 "/comments", number);
	rc = bl_github_pages(github, path, PER_PAGE, PAGES, look, &search, err);
	if (rc < 0 && err->code == BL_ELIMIT && !search.id) {
		bl_err_clear(err); /* somebody writes long ones: that must not hide ours */
		rc = bl_github_pages(github, path, FEWER_PER_PAGE, PAGES, look, &search, err);
	}
	if (rc < 0)
		return -1;
	if (!search.id)
		return bl_fail(err, BL_ENOENT, "GitHub: #%" PRId64 " has no such comment of ours",
		               number);
	if (body && bl_buf_check(body, "comment", err))
		return -1;
	*id = search.id;
	return 0;
}
