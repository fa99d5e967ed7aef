/* SPDX-License-Identifier: Apache-2.0 */
#include "net/github_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- Pull requests ---------------------------------------------------------------------------- */

/* BL_ECORRUPT where it is missing or does not fit. */
static int take(const struct bl_value *doc, const char *path, char *to, size_t size,
                struct bl_err *err)
{
	const char *text;

	if (bl_value_text(doc, path, &text, err))
		return -1;
	if ((size_t)snprintf(to, size, "%s", text) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s: over %zu bytes", path, size - 1);
	return 0;
}

static int read_pull(const struct bl_value *doc, struct bl_github_pull *out, struct bl_err *err)
{
	struct bl_github_pull pull = { 0 };

	if (bl_value_int(doc, "number", &pull.number, err) ||
	    take(doc, "head.sha", pull.head_sha, sizeof(pull.head_sha), err) ||
	    take(doc, "head.ref", pull.head_ref, sizeof(pull.head_ref), err) ||
	    take(doc, "base.sha", pull.base_sha, sizeof(pull.base_sha), err) ||
	    take(doc, "base.ref", pull.base_ref, sizeof(pull.base_ref), err))
		return bl_wrap(err, "GitHub: pull request");
	pull.open = !strcmp(bl_value_text_or(doc, "state", ""), "open");
	pull.draft = bl_value_bool_or(doc, "draft", false);
	pull.head_repository_id = bl_value_int_or(doc, "head.repo.id", 0);
	pull.base_repository_id = bl_value_int_or(doc, "base.repo.id", 0);
	snprintf(pull.head_repository, sizeof(pull.head_repository), "%s",
	         bl_value_text_or(doc, "head.repo.full_name", ""));
	*out = pull;
	return 0;
}

int bl_github_pull_get(struct bl_github *github, int64_t number, struct bl_github_pull *out,
                       struct bl_err *err)
{
	BL_VALUE doc = NULL;
	char path[64];

	snprintf(path, sizeof(path), "pulls/%" PRId64, number);
	return bl_github_call(github, "GET", path, NULL, &doc, err) || read_pull(doc, out, err) ? -1
	                                                                                        : 0;
}

struct branch {
	const char *repository, *name;
	int64_t *numbers;
	size_t max, n;
};

/* GitHub leaves a filter that it does not understand aside: what comes is looked at again. */
static int add_if_same(void *arg, const struct bl_value *item, struct bl_err *err)
{
	struct branch *branch = arg;
	struct bl_github_pull pull;

	if (read_pull(item, &pull, err))
		return -1;
	if (!pull.open || strcmp(pull.head_ref, branch->name) != 0 ||
	    strcasecmp(pull.head_repository, branch->repository) != 0)
		return 0;
	if (branch->n < branch->max)
		branch->numbers[branch->n] = pull.number;
	branch->n++;
	return 0;
}

int bl_github_pulls_of_branch(struct bl_github *github, const char *name, int64_t *numbers,
                              size_t max, size_t *n, struct bl_err *err)
{
	struct branch branch = { github->repository, name, numbers, max, 0 };
	BL_AUTO(bl_buf) path = BL_BUF(2048);

	bl_buf_adds(&path, "pulls?state=open&head=");
	bl_uri_add(&path, github->repository, strcspn(github->repository, "/"));
	bl_buf_adds(&path, "%3A");
	bl_uri_add(&path, name, strlen(name));
	if (bl_buf_check(&path, "branch", err) ||
	    bl_github_each(github, bl_buf_text(&path), add_if_same, &branch, err))
		return -1;
	*n = branch.n;
	return 0;
}

/* --- Labels, people --------------------------------------------------------------------------- */

int bl_github_label_remove(struct bl_github *github, int64_t number, const char *label,
                           struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(2048);

	bl_buf_addf(&path, "issues/%" PRId64 "/labels/", number);
	bl_uri_add(&path, label, strlen(label));
	if (bl_buf_check(&path, "label", err))
		return -1;
	if (bl_github_call(github, "DELETE", bl_buf_text(&path), NULL, NULL, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* it is not there, which is what is wanted */
	}
	return 0;
}

/* The API says it in these four; should it once say the finer ones, they count as these. */
static const struct {
	const char *said, *means;
} words[] = {
	{ "admin", "admin" }, { "write", "write" }, { "maintain", "write" },
	{ "read", "read" },   { "triage", "read" }, { "none", "none" },
};

int bl_github_permission(struct bl_github *github, const char *login, char word[16],
                         struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(2048);
	BL_VALUE doc = NULL;
	const char *said;

	bl_buf_adds(&path, "collaborators/");
	bl_uri_add(&path, login, strlen(login));
	bl_buf_adds(&path, "/permission");
	if (bl_buf_check(&path, "login", err))
		return -1;
	if (bl_github_call(github, "GET", bl_buf_text(&path), NULL, &doc, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* nobody of that name, or a bot */
	}
	said = bl_value_text_or(doc, "permission", "none");
	snprintf(word, 16, "none");
	for (size_t i = 0; i < BL_COUNT(words); i++)
		if (!strcmp(words[i].said, said))
			snprintf(word, 16, "%s", words[i].means);
	return 0;
}

int bl_github_react(struct bl_github *github, int64_t number, const char *content,
                    struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_json json = BL_JSON(&body);
	char path[64];
	/* the same reaction again is 200 and changes nothing */
	const struct bl_github_ask ask = {
		.method = "POST",
		.path = path,
		.body = &body,
		.repeatable = true,
	};

	snprintf(path, sizeof(path), "issues/%" PRId64 "/reactions", number);
	bl_json_map(&json, NULL);
	bl_json_text(&json, "content", content);
	bl_json_end_map(&json);
	return bl_github_do(github, &ask, NULL, err);
}
