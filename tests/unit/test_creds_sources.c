/* SPDX-License-Identifier: Apache-2.0 */
/* What each source asks and takes. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)

/* --- The words of credential_process ---------------------------------------------------------- */

static void lines_are_split_as_a_shell_does(void **state)
{
	static const struct {
		const char *line;
		const char *words[6]; /* none: refused */
	} table[] = {
		{ "a", { "a" } },
		{ "  a\tb \n", { "a", "b" } },
		{ "\"/my dir/x\" --a='b c' d\\ e", { "/my dir/x", "--a=b c", "d e" } },
		{ "a'b'\"c\"d", { "abcd" } },
		{ "'' \"\" x", { "", "", "x" } },
		{ "\"a\\\"b\\\\c\\d\"", { "a\"b\\c\\d" } },
		{ "'a\\b' \\'", { "a\\b", "'" } },
		{ "$HOME `id` ; | *", { "$HOME", "`id`", ";", "|", "*" } },
		{ "a\\", { "a\\" } },
		{ "", { NULL } },
		{ " \t", { NULL } },
		{ "a 'b", { NULL } },
		{ "\"a", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		char **words = NULL;
		int rc = creds_split(table[i].line, &words, &err);
		size_t n = 0;

		assert_int_equal(rc, table[i].words[0] ? 0 : -1);
		if (rc) {
			assert_int_equal(err.code, BL_EINPUT);
			continue;
		}
		for (; words[n]; n++)
			assert_string_equal(words[n], table[i].words[n]);
		assert_true(n == 6 || !table[i].words[n]);
		free(words);
	}
}

/* As many words as a line can hold, so that their list is filled to its end. */
static void short_words_fill_the_list(void **state)
{
	struct bl_err err = { 0 };
	char **words = NULL;
	char line[1001];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(line) - 1; i++)
		line[i] = i % 2 ? ' ' : 'a';
	line[sizeof(line) - 1] = '\0';
	must(creds_split(line, &words, &err), &err);
	while (words[n])
		assert_string_equal(words[n++], "a");
	assert_int_equal(n, 500);
	free(words);
}

/* --- Texts ------------------------------------------------------------------------------------ */

static void half_a_pair_is_none(void **state)
{
	static const struct {
		struct creds_texts texts;
		const char *text; /* NULL: fine */
	} table[] = {
		{ { "AKIA", "s", NULL, NULL, NULL }, NULL },
		{ { "AKIA", "s", "t", "2026-11-25T12:00:00Z", "111122223333" }, NULL },
		{ { NULL, "s", NULL, NULL, NULL }, "access key id is missing" },
		{ { "AKIA", "", NULL, NULL, NULL }, "secret access key is missing" },
		{ { "AK\nIA", "s", NULL, NULL, NULL }, "control character" },
		{ { "AKIA", "s", "t\r", NULL, NULL }, "control character" },
		{ { "AKIA", "s", NULL, "tomorrow", NULL }, "'tomorrow' is no time" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_credentials) got = { 0 };
		struct bl_err err = { 0 };
		int rc = creds_from_texts(&table[i].texts, &got, &err);

		assert_int_equal(rc, table[i].text ? -1 : 0);
		if (rc)
			assert_non_null(strstr(err.text, table[i].text));
		assert_int_equal(got.access_key[0] != '\0', !rc);
	}
}

/* --- Files ------------------------------------------------------------------------------------ */

static void a_token_file_is_read_at_each_renewal(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "POST /", .times = 1, .body = assumed_xml("ASIAONE", INPUT_NOON + HOUR) },
		{ .on = "POST /", .body = assumed_xml("ASIATWO", INPUT_NOON + 2 * HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	const char *path = folder_path("token");
	struct bl_creds *creds;
	size_t len;

	(void)state;
	be_a_job(server);
	unsetenv("ACTIONS_ID_TOKEN_REQUEST_URL");
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
	stop_clock(INPUT_NOON);
	put_text("token", "first-token\n");
	creds = open_creds(NULL);
	assert_string_equal(key_of(creds), "ASIAONE");
	put_text("token", "second-token\n");
	move_clock(50 * MINUTE);
	assert_string_equal(key_of(creds), "ASIATWO");
	assert_non_null(strstr(canned_body(server, 0, &len), "&WebIdentityToken=first-token"));
	assert_non_null(strstr(canned_body(server, 1, &len), "&WebIdentityToken=second-token"));
	bl_creds_close(creds);
	remove_path("token");
	creds = open_creds(NULL);
	assert_non_null(strstr(failure_of(creds).text, path));
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void chains_are_bounded(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_creds *creds;

	(void)state;
	forget_identity();
	for (int i = 0; i < 6; i++)
		bl_buf_addf(&text, "[profile p%d]\nrole_arn=" INPUT_ROLE "\nsource_profile=p%d\n",
		            i, i + 1);
	bl_buf_adds(&text, "[profile p6]\naws_access_key_id=a\naws_secret_access_key=b\n"
	                   "[profile loop]\nrole_arn=" INPUT_ROLE "\nsource_profile=pool\n"
	                   "[profile pool]\nrole_arn=" INPUT_ROLE "\nsource_profile=loop\n");
	put_text("config", bl_buf_text(&text));
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	creds = open_creds("p0");
	assert_non_null(strstr(failure_of(creds).text, "over 5 profiles"));
	bl_creds_close(creds);
	creds = open_creds("loop");
	assert_non_null(strstr(failure_of(creds).text, "circle"));
	bl_creds_close(creds);
}

static void a_killed_process_is_told(void **state)
{
	const struct bl_credentials *got;
	struct bl_err err = { 0 };
	struct bl_creds *creds;

	(void)state;
	forget_identity();
	put_text("config", "[default]\ncredential_process=sh -c 'kill -KILL $$'\n");
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	creds = open_creds(NULL);
	assert_int_equal(bl_creds_get(creds, &got, &err), -1);
	assert_non_null(strstr(err.text, "ended by SIGKILL"));
	bl_creds_close(creds);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static void a_container_token_goes_to_allowed_addresses_alone(void **state)
{
	static const struct {
		const char *url, *relative, *token, *text;
	} table[] = {
		{ "http://example.com/x", NULL, "t", "plain http to example.com" },
		{ "http://169.254.169.254/x", NULL, "t", "plain http to 169.254.169.254" },
		{ "ftp://169.254.170.2/x", NULL, "t", "AWS_CONTAINER_CREDENTIALS_FULL_URI" },
		{ "http://127.0.0.1:1/x", NULL, "t\r\nx: y", "line break" },
		{ NULL, "x", "t", "does not begin with '/'" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_creds *creds;
		struct bl_err err;

		forget_identity();
		if (table[i].url)
			setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", table[i].url, 1);
		if (table[i].relative)
			setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", table[i].relative, 1);
		setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", table[i].token, 1);
		creds = open_creds(NULL);
		err = failure_of(creds);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, table[i].text));
		bl_creds_close(creds);
	}
}

static void a_container_token_file_wins(void **state)
{
	const struct canned_reply replies[] = { { .body = keys_json("ASIAC", INPUT_NOON + HOUR) } };
	struct canned *server = canned_start(replies, 1);
	struct bl_creds *creds;

	(void)state;
	forget_identity();
	stop_clock(INPUT_NOON);
	put_text("token", "of-the-file\n");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", canned_url(server, "/keys"), 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-variable", 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_path("token"), 1);
	creds = open_creds(NULL);
	assert_string_equal(key_of(creds), "ASIAC");
	assert_non_null(strcasestr(canned_head(server, 0), "\r\nauthorization: of-the-file\r\n"));
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_split_as_a_shell_does),
		cmocka_unit_test(short_words_fill_the_list),
		cmocka_unit_test(half_a_pair_is_none),
		IN_FOLDER(a_token_file_is_read_at_each_renewal),
		IN_FOLDER(chains_are_bounded),
		IN_FOLDER(a_killed_process_is_told),
		cmocka_unit_test(a_container_token_goes_to_allowed_addresses_alone),
		IN_FOLDER(a_container_token_file_wins),
	};

	return cmocka_run_group_tests_name("creds sources", tests, NULL, NULL);
}
