/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/github_open.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OF_REPO "/api/repos/o/n/"
#define MARK "<!-- branchline:report v1 key=train -->"
#define BY(login) "\"user\":{\"login\":\"" login "\"}"
#define COMMENT(id, login, body) "{\"id\":" #id "," BY(login) ",\"body\":\"" body "\"}"
#define BOT "github-actions[bot]"

/* --- Comments --------------------------------------------------------------------------------- */

static int find(const char *comments, const struct canned_reply *user, int64_t *id,
                struct bl_buf *body, struct bl_err *err, size_t *requests)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "issues/12/comments?per_page=100 ", .body = comments },
		*user,
	};
	struct github at;
	int rc;

	github_open(&at, replies, BL_COUNT(replies), 0);
	rc = bl_github_comment_find(at.client, 12, MARK, id, body, err);
	*requests = canned_requests(at.server);
	github_close(&at);
	return rc;
}

static void our_comment_is_found(void **state)
{
	static const struct {
		const char *comments;
		int64_t id; /* 0: none */
		size_t requests;
		int user_status;
	} cases[] = {
		{ "[]", 0, 1, 403 },
		{ "[" COMMENT(5, BOT, MARK "\\nx") "," COMMENT(6, BOT, MARK "\\ny") "]", 5, 1,
		  403 },
		{ "[" COMMENT(5, BOT, MARK) "]", 5, 1, 403 },
		{ "[" COMMENT(5, BOT, MARK "x") "]", 0, 1, 403 },
		{ "[" COMMENT(5, BOT, "said " MARK) "]", 0, 1, 403 },
		/* somebody who writes our marker */
		{ "[" COMMENT(4, "mallory", MARK "\\nx") "," COMMENT(
			  5, "mallory", MARK "\\nx") "," COMMENT(6, BOT, MARK "\\nx") "]",
		  6, 2, 403 },
		{ "[" COMMENT(4, "mallory", MARK "\\nx") "]", 0, 2, 403 },
		{ "[{\"id\":4,\"user\":null,\"body\":\"" MARK "\"}]", 0, 2, 403 },
		/* a person's token */
		{ "[" COMMENT(4, "Alice", MARK "\\nx") "]", 4, 2, 200 },
		{ "[" COMMENT(4, "mallory", MARK "\\nx") "]", 0, 2, 200 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		const struct canned_reply user = { .on = "GET /api/user ",
			                           .status = cases[i].user_status,
			                           .body = "{\"login\":\"alice\"}" };
		BL_AUTO(bl_buf) body = BL_BUF(4096);
		struct bl_err err = { 0 };
		size_t requests;
		int64_t id = -1;
		int rc = find(cases[i].comments, &user, &id, &body, &err, &requests);

		if (rc != (cases[i].id ? 0 : -1) || requests != cases[i].requests ||
		    (cases[i].id && id != cases[i].id))
			fail_msg("case %zu: %d %d %s, %zu requests", i, rc, (int)id, err.text,
			         requests);
		if (!cases[i].id)
			assert_int_equal(err.code, BL_ENOENT);
		assert_int_equal(bl_buf_text(&body)[0], cases[i].id ? '<' : '\0');
	}
}

static void nobody_is_taken_for_us_in_an_outage(void **state)
{
	const struct canned_reply user = { .on = "GET /api/user ", .status = 500 };
	struct bl_err err = { 0 };
	size_t requests;
	int64_t id;

	(void)state;
	assert_int_equal(find("[" COMMENT(4, "alice", MARK) "]", &user, &id, NULL, &err, &requests),
	                 -1);
	assert_int_equal(err.code, BL_ERETRY);
}

static void long_comments_do_not_hide_ours(void **state)
{
	size_t size = (9u << 20) + 3;
	char *big = malloc(size);
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "issues/12/comments?per_page=100 ", .body = big },
		{ .on = "GET " OF_REPO "issues/12/comments?per_page=20 ",
		  .body = "[" COMMENT(5, BOT, MARK) "]" },
	};
	struct bl_err err = { 0 };
	struct github at;
	int64_t id = 0;

	(void)state;
	assert_non_null(big);
	memset(big, ' ', size);
	memcpy(big, "[", 1);
	memcpy(big + size - 2, "]", 2);
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_comment_find(at.client, 12, MARK, &id, NULL, &err), &err);
	assert_int_equal(id, 5);
	github_close(&at);
	free(big);
}

static void comments_are_edited_and_deleted(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "PATCH " OF_REPO "issues/comments/5 ", .body = "{}" },
		{ .on = "DELETE " OF_REPO "issues/comments/5 ", .status = 204 },
	};
	char *text = calloc(1, BL_GITHUB_COMMENT_MAX + 2);
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', BL_GITHUB_COMMENT_MAX + 1);
	github_open(&at, replies, BL_COUNT(replies), 0);
	assert_int_equal(bl_github_comment_edit(at.client, 5, text, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	bl_err_clear(&err);
	text[BL_GITHUB_COMMENT_MAX] = '\0';
	must(bl_github_comment_edit(at.client, 5, text, &err), &err);
	must(bl_github_comment_delete(at.client, 5, &err), &err);
	must(bl_github_comment_delete(at.client, 6, &err), &err); /* gone */
	assert_int_equal(bl_github_comment_edit(at.client, 6, "x", &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	github_close(&at);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_comment_is_found),
		cmocka_unit_test(nobody_is_taken_for_us_in_an_outage),
		cmocka_unit_test(long_comments_do_not_hide_ours),
		cmocka_unit_test(comments_are_edited_and_deleted),
	};

	return cmocka_run_group_tests_name("github comments", tests, NULL, NULL);
}
