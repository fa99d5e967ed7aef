/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/github_parts.h"

#include <stdio.h>
#include <string.h>

/* What a workflow's token must be given for a call; the first that fits. A comment, label or
 * reaction of a pull request is written with either of two: the narrower one is named. */
static const struct {
	const char *begins, *has, *reads, *writes;
} permissions[] = {
	{ "issues", "", "pull-requests: read", "pull-requests: write" },
	{ "pulls", "", "pull-requests: read", "pull-requests: write" },
	{ "statuses", "", "statuses: read", "statuses: write" },
	{ "commits", "/status", "statuses: read", "statuses: write" },
	{ "commits", "", "contents: read", "contents: write" },
	{ "compare", "", "contents: read", "contents: write" },
	{ "contents", "", "contents: read", "contents: write" },
	{ "git/", "", "contents: read", "contents: write" },
	{ "branches", "", "contents: read", "contents: write" },
	{ "releases", "", "contents: read", "contents: write" },
	{ "environments", "", "actions: read", "" },
	{ "actions/permissions", "", "", "" },
	{ "actions", "", "actions: read", "actions: write" },
	{ "check-", "", "checks: read", "checks: write" },
	{ "deployments", "", "deployments: read", "deployments: write" },
};

/* "/repos/o/n/issues/1" to "issues/1"; a whole path of another kind stays. */
static const char *below_repository(const char *path)
{
	if (!bl_str_starts(path, "/repos/"))
		return path;
	for (unsigned slashes = 0; *path; path++)
		if (*path == '/' && ++slashes == 4)
			return path + 1;
	return path;
}

const char *bl_github_permission_for(const char *method, const char *path)
{
	bool reads = !strcmp(method, "GET") || !strcmp(method, "HEAD");

	path = below_repository(path);
	for (size_t i = 0; i < BL_COUNT(permissions); i++)
		if (bl_str_starts(path, permissions[i].begins) && strstr(path, permissions[i].has))
			return reads ? permissions[i].reads : permissions[i].writes;
	return "";
}

/* Text that goes to terminals and logs; the cut leaves whole characters. */
static void copy(char *to, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		len = bl_utf8_valid(text, size - 1);
	memcpy(to, text, len);
	to[len] = '\0';
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 127)
			*to = ' ';
}

/* {"message": "Validation Failed", "errors": [{"resource", "field", "code", "message"} or text]} */
static const char *detail_of(const struct bl_value *doc, bool *exists)
{
	const struct bl_value *list = bl_value_get(doc, "errors"), *first;

	if (!list || list->type != BL_LIST || !list->n)
		return "";
	first = list->items[0];
	if (first->type == BL_STRING)
		return first->text;
	*exists = !strcmp(bl_value_text_or(first, "code", ""), "already_exists");
	return bl_value_text_or(first, "message", bl_value_text_or(first, "code", ""));
}

void bl_github_said_read(const struct bl_http_reply *reply, struct bl_github_said *out)
{
	struct bl_err unread = { 0 };
	char text[512], id[64] = "";
	const char *detail;
	BL_VALUE doc = NULL;

	*out = (struct bl_github_said){ 0 };
	bl_http_header(reply, "x-github-request-id", id, sizeof(id));
	copy(out->request_id, sizeof(out->request_id), id);
	if (!reply->body.len ||
	    bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "error", &doc, &unread))
		return;
	detail = detail_of(doc, &out->exists);
	snprintf(text, sizeof(text), "%s%s%s", bl_value_text_or(doc, "message", ""),
	         *detail ? ": " : "", detail);
	copy(out->text, sizeof(out->text), text);
	if (strcasestr(out->text, "already exists"))
		out->exists = true;
}

static enum bl_code code_of(int status, const struct bl_github_said *said)
{
	switch (status) {
	case 404:
	case 410:
		return BL_ENOENT;
	case 401:
	case 403:
		return BL_EDENIED;
	case 422:
		return said->exists ? BL_EEXIST : BL_EINPUT;
	default:
		return status >= 500 || status == 429 ? BL_ERETRY : BL_EINPUT;
	}
}

static void advise(const struct bl_github_ask *ask, int status, struct bl_err *err)
{
	const char *line = bl_github_permission_for(ask->method, ask->path);

	if (status == 401)
		bl_next(err, "give a GITHUB_TOKEN that is still valid: a workflow's ends with its "
		             "job");
	else if (status == 403 && *line)
		bl_next(err, "add `%s` to the job's `permissions:` (a fork's token only reads)",
		        line);
	else if (status == 403)
		bl_next(err, "a workflow's token cannot have this: use a person's token with the "
		             "right to administer the repository");
	else if (status == 404 && *line)
		bl_next(err, "look whether it exists; without `%s` GitHub says the same", line);
	else if (status / 100 == 3)
		bl_next(err, "was the repository renamed? use its new name");
	else if (status >= 500)
		bl_next(err, "look at https://www.githubstatus.com, then run this again");
}

int bl_github_refused(const struct bl_github_ask *ask, const struct bl_http_reply *reply,
                      const struct bl_github_said *said, struct bl_err *err)
{
	bl_fail(err, code_of(reply->status, said), "HTTP %d%s%s%s%s%s", reply->status,
	        said->text[0] ? ": " : "", said->text, said->request_id[0] ? " (request " : "",
	        said->request_id, said->request_id[0] ? ")" : "");
	advise(ask, reply->status, err);
	return -1;
}
