/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/github_parts.h"

#include <stdio.h>
#include <string.h>

#define DESCRIPTION_MAX 140
#define PER_PAGE 100

/* --- Statuses --------------------------------------------------------------------------------- */

/* At most so many characters; what is cut ends in "…". */
static void add_cut(struct bl_buf *out, const char *text, size_t max)
{
	size_t len = strlen(text), at = 0, end = 0, n = 0;

	for (; at < len; n++) {
		size_t one = bl_utf8_sequence(text + at, len - at);

		if (n == max - 1)
			end = at; /* one more fits, or the mark of the cut */
		at += one ? one : 1;
	}
	if (n <= max) {
		bl_buf_adds(out, text);
		return;
	}
	bl_buf_add(out, text, end);
	bl_buf_adds(out, "\xe2\x80\xa6");
}

int bl_github_status(struct bl_github *github, const char *sha, const char *state,
                     const char *context, const char *description, const char *target,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF((size_t)64 << 10);
	BL_AUTO(bl_buf) cut = BL_BUF(DESCRIPTION_MAX * 4 + 4);
	struct bl_json json = BL_JSON(&body);
	char path[80];
	/* the newest counts: the same once more harms nobody */
	const struct bl_github_ask ask = {
		.method = "POST",
		.path = path,
		.body = &body,
		.repeatable = true,
	};

	snprintf(path, sizeof(path), "statuses/%.40s", sha);
	add_cut(&cut, description, DESCRIPTION_MAX);
	bl_json_map(&json, NULL);
	bl_json_text(&json, "state", state);
	bl_json_text(&json, "context", context);
	bl_json_text(&json, "description", bl_buf_text(&cut));
	if (target)
		bl_json_text(&json, "target_url", target);
	bl_json_end_map(&json);
	return bl_buf_check(&cut, "description", err) || bl_github_do(github, &ask, NULL, err) ? -1
	                                                                                       : 0;
}

/* --- History ---------------------------------------------------------------------------------- */

static int take_sha(const struct bl_value *doc, const char *path, char sha[41], struct bl_err *err)
{
	const char *text;

	if (bl_value_text(doc, path, &text, err))
		return -1;
	if (!bl_str_is_sha(text))
		return bl_fail(err, BL_ECORRUPT, "%s: '%.50s' is no commit", path, text);
	snprintf(sha, 41, "%s", text);
	return 0;
}

int bl_github_merge_base(struct bl_github *github, const char *base, const char *head, char sha[41],
                         struct bl_err *err)
{
	/* changed files, megabytes perhaps, are on the first page alone */
	static const char *const queries[] = { "?per_page=1&page=2", "?per_page=1" };
	BL_AUTO(bl_buf) path = BL_BUF(4096);
	BL_VALUE doc = NULL;

	for (size_t i = 0; i < BL_COUNT(queries); i++) {
		bl_value_free(doc);
		doc = NULL;
		bl_buf_reset(&path);
		bl_buf_adds(&path, "compare/");
		bl_uri_add(&path, base, strlen(base));
		bl_buf_adds(&path, "...");
		bl_uri_add(&path, head, strlen(head));
		bl_buf_adds(&path, queries[i]);
		if (bl_buf_check(&path, "path", err) ||
		    bl_github_call(github, "GET", bl_buf_text(&path), NULL, &doc, err))
			return -1;
		if (bl_value_path(doc, "merge_base_commit.sha"))
			break;
	}
	if (take_sha(doc, "merge_base_commit.sha", sha, err))
		return bl_wrap(err, "GitHub: merge base");
	return 0;
}

struct walk {
	char next[41]; /* the first parent that is looked for; "": the root was reached */
	size_t left;
	size_t found; /* on this page */
	bl_github_commit_fn *fn;
	void *arg;
};

/* A list holds what was merged, too, by date: the first parents are picked from it. */
static int pick(void *arg, const struct bl_value *commit, struct bl_err *err)
{
	struct walk *walk = arg;
	const struct bl_value *parents = bl_value_get(commit, "parents");
	char sha[41], tree[41], parent[41] = "";

	if (take_sha(commit, "sha", sha, err))
		return -1;
	if (!walk->left || strcmp(sha, walk->next) != 0)
		return 0;
	if (take_sha(commit, "commit.tree.sha", tree, err) ||
	    (parents && parents->n && take_sha(parents->items[0], "sha", parent, err)))
		return -1;
	walk->found++;
	walk->left--;
	snprintf(walk->next, sizeof(walk->next), "%s", parent);
	return walk->fn(walk->arg, sha, tree, err);
}

/* From walk->next: it is the first of what comes, so that each page is some way further. */
static int walk_page(struct bl_github *github, struct walk *walk, struct bl_err *err)
{
	BL_VALUE doc = NULL;
	char path[128];
	int rc = 0;

	snprintf(path, sizeof(path), "commits?sha=%s&per_page=%d", walk->next, PER_PAGE);
	if (bl_github_call(github, "GET", path, NULL, &doc, err))
		return -1;
	walk->found = 0;
	for (size_t i = 0; doc && i < doc->n && !rc; i++)
		rc = pick(walk, doc->items[i], err);
	if (!rc && !walk->found)
		rc = bl_fail(err, BL_ECORRUPT, "GitHub: commits: %s is not among them", walk->next);
	return rc;
}

int bl_github_first_parents(struct bl_github *github, const char *sha, size_t max,
                            bl_github_commit_fn *fn, void *arg, struct bl_err *err)
{
	struct walk walk = { .left = max, .fn = fn, .arg = arg };

	if (!bl_str_is_sha(sha))
		return bl_fail(err, BL_EINPUT, "GitHub: '%.50s' is no whole commit id", sha);
	snprintf(walk.next, sizeof(walk.next), "%s", sha);
	while (walk.left && walk.next[0]) {
		int rc = walk_page(github, &walk, err);

		if (rc)
			return rc;
	}
	return 0;
}
