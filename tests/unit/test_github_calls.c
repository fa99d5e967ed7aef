/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/github_open.h"

#include "tests/unit/failalloc.h"
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
#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B40 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C40 "cccccccccccccccccccccccccccccccccccccccc"
#define T40 "1111111111111111111111111111111111111111"

/* --- Pull requests, labels, people ------------------------------------------------------------ */

#define PULL(number, ref, repo)                                                                    \
	"{\"number\":" #number ",\"state\":\"open\",\"draft\":true,\"head\":{\"sha\":\"" A40       \
	"\",\"ref\":\"" ref "\",\"repo\":" repo "},\"base\":{\"sha\":\"" B40                       \
	"\",\"ref\":\"main\",\"repo\":{\"id\":7,\"full_name\":\"o/n\"}}}"
#define OURS "{\"id\":7,\"full_name\":\"O/N\"}"
#define FORK "{\"id\":8,\"full_name\":\"m/n\"}"

static void pulls_are_read(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "pulls/12 ", .body = PULL(12, "f", FORK) },
		{ .on = "GET " OF_REPO "pulls/13 ", .body = PULL(13, "f", "null") },
		{ .on = "GET " OF_REPO "pulls/14 ", .body = "{\"number\":14}" },
		{ .on = "GET " OF_REPO "pulls?state=open&head=o%3Aa%2Fb&per_page=100 ",
		  .body = "[" PULL(12, "a/b", OURS) "," PULL(13, "a/b", FORK) "," PULL(
			  14, "other", OURS) "," PULL(15, "a/b", OURS) "]" },
	};
	struct bl_github_pull pull = { 0 };
	int64_t numbers[1] = { 0 };
	struct bl_err err = { 0 };
	struct github at;
	size_t n = 0;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_pull_get(at.client, 12, &pull, &err), &err);
	assert_true(pull.open && pull.draft && pull.number == 12);
	assert_string_equal(pull.head_sha, A40);
	assert_string_equal(pull.head_repository, "m/n");
	assert_int_equal(pull.head_repository_id, 8);
	assert_int_equal(pull.base_repository_id, 7);
	must(bl_github_pull_get(at.client, 13, &pull, &err), &err);
	assert_string_equal(pull.head_repository, "");
	assert_int_equal(pull.head_repository_id, 0);
	assert_int_equal(bl_github_pull_get(at.client, 14, &pull, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	must(bl_github_pulls_of_branch(at.client, "a/b", numbers, 1, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(numbers[0], 12);
	github_close(&at);
}

static void people_and_labels(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "collaborators/a/", .body = "{\"permission\":\"admin\"}" },
		{ .on = "GET " OF_REPO "collaborators/m/",
		  .body = "{\"permission\":\"maintain\"}" },
		{ .on = "GET " OF_REPO "collaborators/t/", .body = "{\"permission\":\"triage\"}" },
		{ .on = "GET " OF_REPO "collaborators/x/", .body = "{\"permission\":\"owner\"}" },
		{ .on = "GET " OF_REPO "collaborators/b%5Bbot%5D/", .status = 404 },
		{ .on = "DELETE " OF_REPO "issues/12/labels/train%3Aa%2Fb ", .body = "[]" },
		{ .on = "DELETE " OF_REPO "issues/12/labels/gone ", .status = 404 },
	};
	static const struct {
		const char *login, *word;
	} cases[] = { { "a", "admin" },
		      { "m", "write" },
		      { "t", "read" },
		      { "x", "none" },
		      { "b[bot]", "none" } };
	struct bl_err err = { 0 };
	struct github at;
	char word[16];

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		must(bl_github_permission(at.client, cases[i].login, word, &err), &err);
		assert_string_equal(word, cases[i].word);
	}
	must(bl_github_label_remove(at.client, 12, "train:a/b", &err), &err);
	must(bl_github_label_remove(at.client, 12, "gone", &err), &err);
	github_close(&at);
}

/* --- Commits ---------------------------------------------------------------------------------- */

static void a_description_is_cut_by_characters(void **state)
{
	const struct canned_reply replies[] = { { .status = 201, .body = "{}" } };
	char long_text[500] = "", want[500];
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	for (int i = 0; i < 141; i++)
		strncat(long_text, "\xc3\xa9", 3);
	snprintf(want, sizeof(want), "\"description\":\"%.278s\xe2\x80\xa6\"", long_text); /* 139 */
	github_open(&at, replies, 1, 0);
	must(bl_github_status(at.client, A40, "failure", "train/loss", long_text, "https://x",
	                      &err),
	     &err);
	assert_request(at.server, 0, "POST " OF_REPO "statuses/" A40 " ");
	assert_non_null(strstr(canned_body(at.server, 0, &(size_t){ 0 }), want));
	assert_non_null(
		strstr(canned_body(at.server, 0, &(size_t){ 0 }), "\"target_url\":\"https://x\""));
	long_text[280] = '\0'; /* 140 */
	must(bl_github_status(at.client, A40, "success", "c", long_text, NULL, &err), &err);
	assert_null(strstr(canned_body(at.server, 1, &(size_t){ 0 }), "\xe2\x80\xa6"));
	assert_null(strstr(canned_body(at.server, 1, &(size_t){ 0 }), "target_url"));
	github_close(&at);
}

static void a_merge_base_is_asked_without_files(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET " OF_REPO "compare/main...a%2Fb?per_page=1&page=2 ",
		  .body = "{\"merge_base_commit\":{\"sha\":\"" B40 "\"}}" },
		{ .on = "GET " OF_REPO "compare/x...y?per_page=1&page=2 ", .body = "{}" },
		{ .on = "GET " OF_REPO "compare/x...y?per_page=1 ",
		  .body = "{\"merge_base_commit\":{\"sha\":\"HEAD\"}}" },
	};
	struct bl_err err = { 0 };
	struct github at;
	char sha[41] = "";

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_merge_base(at.client, "main", "a/b", sha, &err), &err);
	assert_string_equal(sha, B40);
	assert_int_equal(bl_github_merge_base(at.client, "x", "y", sha, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	github_close(&at);
}

#define COMMIT(sha, tree, parents)                                                                 \
	"{\"sha\":\"" sha "\",\"commit\":{\"tree\":{\"sha\":\"" tree "\"}},\"parents\":[" parents  \
	"]}"
#define P(sha) "{\"sha\":\"" sha "\"}"

static int note(void *arg, const char *sha, const char *tree, struct bl_err *err)
{
	(void)err;
	bl_buf_addf(arg, "%c%c ", *sha, *tree);
	return 0;
}

static void first_parents_leave_what_was_merged_out(void **state)
{
	const struct canned_reply replies[] = {
		/* b was merged into a; c, the first parent, is on a page of its own */
		{ .on = "GET " OF_REPO "commits?sha=" A40 "&per_page=100 ",
		  .body = "[" COMMIT(A40, T40, P(C40) "," P(B40)) "," COMMIT(B40, T40,
		                                                             P(C40)) "]" },
		{ .on = "GET " OF_REPO "commits?sha=" C40 "&per_page=100 ",
		  .body = "[" COMMIT(C40, T40, "") "]" },
		{ .on = "GET " OF_REPO "commits?sha=" B40 "&per_page=100 ", .body = "[]" },
	};
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };
	struct github at;

	(void)state;
	github_open(&at, replies, BL_COUNT(replies), 0);
	must(bl_github_first_parents(at.client, A40, 50, note, &seen, &err), &err);
	assert_string_equal(bl_buf_text(&seen), "a1 c1 ");
	bl_buf_reset(&seen);
	must(bl_github_first_parents(at.client, A40, 1, note, &seen, &err), &err);
	assert_string_equal(bl_buf_text(&seen), "a1 ");
	assert_int_equal(bl_github_first_parents(at.client, B40, 9, note, &seen, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	assert_int_equal(bl_github_first_parents(at.client, "main", 9, note, &seen, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	github_close(&at);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static const char *api_url;

static int talk(struct bl_github *github, struct bl_err *err)
{
	int64_t id;

	return bl_github_comment_create(github, 12, "x", &id, err) ||
	                       bl_github_comment_find(github, 12, MARK, &id, NULL, err)
	               ? -1
	               : 0;
}

static int look(struct bl_github *github, struct bl_err *err)
{
	struct bl_github_pull pull;
	int64_t numbers[2];
	char word[16], sha[41];
	size_t n;

	return bl_github_pull_get(github, 12, &pull, err) ||
	                       bl_github_pulls_of_branch(github, "f", numbers, 2, &n, err) ||
	                       bl_github_permission(github, "a", word, err) ||
	                       bl_github_merge_base(github, "a", "b", sha, err)
	               ? -1
	               : 0;
}

static int (*use)(struct bl_github *github, struct bl_err *err);

static int story(struct bl_err *err)
{
	const struct bl_github_options options = { .api_url = api_url,
		                                   .token = "t",
		                                   .repository = "o/n" };
	BL_GITHUB github = NULL;

	if (bl_github_open(&options, &github, err))
		return -1;
	return use(github, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "POST ", .status = 201, .body = "{\"id\":1}" },
		{ .on = "GET " OF_REPO "issues/12/comments",
		  .body = "[" COMMENT(5, "a", MARK) "]" },
		{ .on = "GET /api/user", .body = "{\"login\":\"a\"}" },
		{ .on = "GET " OF_REPO "pulls/12 ", .body = PULL(12, "f", OURS) },
		{ .on = "GET " OF_REPO "pulls?", .body = "[" PULL(12, "f", OURS) "]" },
		{ .on = "GET " OF_REPO "coll", .body = "{\"permission\":\"admin\"}" },
		{ .body = "{\"merge_base_commit\":{\"sha\":\"" B40 "\"}}" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };
	char url[128];

	(void)state;
	snprintf(url, sizeof(url), "%s", canned_url(server, "/api"));
	api_url = url;
	use = talk;
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
	use = look;
	must(story(&err), &err);
	each_allocation_fails(story, 4000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pulls_are_read),
		cmocka_unit_test(people_and_labels),
		cmocka_unit_test(a_description_is_cut_by_characters),
		cmocka_unit_test(a_merge_base_is_asked_without_files),
		cmocka_unit_test(first_parents_leave_what_was_merged_out),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("github calls", tests, NULL, NULL);
}
