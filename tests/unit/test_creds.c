/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials kept fresh, by a clock that the test moves. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INPUT_MINUTE
#define HOUR INPUT_HOUR

/* --- Pure ------------------------------------------------------------------------------------- */

static void shorter_sessions_are_renewed_later(void **state)
{
	static const struct {
		int64_t life, advisory, mandatory;
	} table[] = {
		{ HOUR, 15 * MINUTE, 10 * MINUTE },
		{ 12 * HOUR, 15 * MINUTE, 10 * MINUTE },
		{ 15 * MINUTE, 225000, 150000 },
		{ 4000, 1000, 666 },
		{ 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_refresh refresh = bl_refresh_of(table[i].life);

		assert_int_equal(refresh.advisory_ms, table[i].advisory);
		assert_int_equal(refresh.mandatory_ms, table[i].mandatory);
	}
}

static void what_is_due_follows_from_the_clock(void **state)
{
	static const struct {
		bool have, stale, fixed;
		int64_t left, next_try;
		enum creds_due due;
	} table[] = {
		{ false, false, false, HOUR, 0, CREDS_MUST },
		{ true, false, false, HOUR, 0, CREDS_KEEP },
		{ true, false, false, 15 * MINUTE + 1, 0, CREDS_KEEP },
		{ true, false, false, 15 * MINUTE, 0, CREDS_TRY },
		{ true, false, false, 15 * MINUTE, 1001, CREDS_KEEP },
		{ true, false, false, 1, 1000, CREDS_TRY },
		{ true, false, false, 1, 1001, CREDS_KEEP },
		{ true, false, false, 0, 1001, CREDS_MUST },
		{ true, true, false, HOUR, 1001, CREDS_MUST },
		{ true, true, true, 0, 0, CREDS_KEEP },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_creds creds = { .have = table[i].have,
			                  .stale = table[i].stale,
			                  .fixed = table[i].fixed,
			                  .life_ms = HOUR,
			                  .next_try_mono_ms = table[i].next_try };

		creds.now.expires_wall_ms = INPUT_NOON + table[i].left;
		assert_int_equal(creds_due(&creds, INPUT_NOON, 1000), table[i].due);
	}
	struct bl_creds forever = { .have = true };
	assert_int_equal(creds_due(&forever, INPUT_NOON, 1000), CREDS_KEEP);
}

/* --- A long job ------------------------------------------------------------------------------- */

#define MINTS_MAX 40

/* One pair of replies for each session of `life` that is asked for `every`. */
static struct canned *issuer_of(int64_t life, int64_t every, size_t mints)
{
	static struct canned_reply replies[MINTS_MAX + 1];
	static char keys[MINTS_MAX][32];

	assert_true(mints <= MINTS_MAX);
	replies[0] = (struct canned_reply){ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) };
	for (size_t i = 0; i < mints; i++) {
		snprintf(keys[i], sizeof(keys[i]), "ASIA%zu", i);
		replies[i + 1] = (struct canned_reply){
			.on = INPUT_STS,
			.times = 1,
			.body = assumed_xml(keys[i], INPUT_NOON + (int64_t)i * every + life),
		};
	}
	return canned_start(replies, mints + 1);
}

/* 24 expiries: eight ask every ten seconds, and one mint serves them all. */
static void six_hours_need_one_request_per_expiry(void **state)
{
	const int64_t life = 20 * MINUTE, every = 15 * MINUTE;
	struct canned *server = issuer_of(life, every, MINTS_MAX);
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	for (int64_t at = 0; at <= 6 * HOUR; at += 10000) {
		char expect[24];

		snprintf(expect, sizeof(expect), "ASIA%lld", (long long)(at / every));
		for (int caller = 0; caller < 8; caller++)
			assert_string_equal(fresh_key_of(creds), expect);
		move_clock(10000);
	}
	assert_int_equal(canned_requests(server), 2 * (1 + 24));
	/* a token serves once: each exchange had its own request */
	for (size_t i = 0; i < canned_requests(server); i++)
		assert_true(!strncmp(canned_head(server, i), i % 2 ? INPUT_STS : INPUT_TOKEN, 6));
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void the_shortest_sessions_do_not_lapse(void **state)
{
	const int64_t life = 15 * MINUTE, every = life - 225000;
	struct canned *server = issuer_of(life, every, MINTS_MAX);
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	for (int64_t at = 0; at < 6 * HOUR; at += 5000) {
		fresh_key_of(creds);
		move_clock(5000);
	}
	assert_int_equal(canned_requests(server), 2 * 32);
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

/* F13 */
static void while_the_issuer_fails_the_old_ones_serve(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .times = 1, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_TOKEN, .times = 5, .status = 500 },
		{ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_STS, .times = 1, .body = assumed_xml("ASIAOLD", INPUT_NOON + HOUR) },
		{ .on = INPUT_STS, .body = assumed_xml("ASIANEW", INPUT_NOON + 2 * HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	assert_string_equal(fresh_key_of(creds), "ASIAOLD");
	move_clock(50 * MINUTE);
	assert_string_equal(fresh_key_of(creds), "ASIAOLD"); /* three tries */
	assert_int_equal(canned_requests(server), 5);
	assert_string_equal(fresh_key_of(creds), "ASIAOLD"); /* not at once again */
	move_clock(10000 - 1);
	assert_string_equal(fresh_key_of(creds), "ASIAOLD");
	assert_int_equal(canned_requests(server), 5);
	move_clock(1);
	assert_string_equal(fresh_key_of(creds), "ASIANEW"); /* two more, then it is back */
	assert_int_equal(canned_requests(server), 9);
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void earlier_it_is_asked_less_often(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .times = 1, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_TOKEN, .status = 401 },
		{ .on = INPUT_STS, .body = assumed_xml("ASIAOLD", INPUT_NOON + HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	for (int64_t at = 0; at < HOUR; at += 5000) {
		assert_string_equal(fresh_key_of(creds), "ASIAOLD");
		move_clock(5000);
	}
	/* five minutes by the minute, ten by ten seconds */
	assert_in_range(canned_requests(server), 2 + 5 + 58, 2 + 6 + 61);
	assert_int_equal(failure_of(creds).code, BL_EDENIED); /* and then it is told */
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void what_a_service_called_expired_is_renewed(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .times = 2, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_TOKEN, .status = 401 },
		{ .on = INPUT_STS, .times = 1, .body = assumed_xml("ASIAOLD", INPUT_NOON + HOUR) },
		{ .on = INPUT_STS, .body = assumed_xml("ASIANEW", INPUT_NOON + HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	assert_string_equal(fresh_key_of(creds), "ASIAOLD");
	bl_creds_stale(creds);
	assert_string_equal(fresh_key_of(creds), "ASIANEW");
	bl_creds_stale(creds);
	assert_int_equal(failure_of(creds).code, BL_EDENIED);
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void a_refused_token_is_replaced_once(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_STS,
		  .times = 1,
		  .status = 400,
		  .body = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>m"
		          "</Message></Error></ErrorResponse>" },
		{ .on = INPUT_STS, .times = 1, .body = assumed_xml("ASIAONE", INPUT_NOON + HOUR) },
		{ .on = INPUT_STS,
		  .status = 400,
		  .body = "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>m"
		          "</Message></Error></ErrorResponse>" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	stop_clock(INPUT_NOON);
	creds = open_creds(NULL);
	assert_string_equal(fresh_key_of(creds), "ASIAONE");
	assert_int_equal(canned_requests(server), 4);
	bl_creds_stale(creds);
	assert_int_equal(failure_of(creds).code, BL_ERETRY);
	assert_int_equal(canned_requests(server), 8);
	bl_creds_close(creds);
	start_clock();
	canned_stop(server);
}

static void a_duration_that_was_refused_is_not_asked_again(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_STS,
		  .status = 400,
		  .body = "<ErrorResponse><Error><Code>ValidationError</Code><Message>The "
		          "requested "
		          "DurationSeconds exceeds the MaxSessionDuration set for this role."
		          "</Message></Error></ErrorResponse>" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_creds *creds;

	(void)state;
	be_a_job(server);
	creds = open_creds(NULL);
	for (int i = 0; i < 3; i++) {
		struct bl_err err = failure_of(creds);

		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, "MaxSessionDuration"));
		assert_non_null(strstr(err.next, "shorter session"));
		assert_int_equal(canned_requests(server), 2);
	}
	bl_creds_close(creds);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int mint_story(struct bl_err *err)
{
	const struct bl_creds_options options = { .session_policy = "{}", .session_name = "s" };
	BL_AUTO(bl_credentials) copy = { 0 };
	const struct bl_credentials *got;
	struct bl_creds *creds = NULL, *fixed = NULL;
	int rc = -1;

	if (bl_creds_open(&options, &creds, err))
		return -1;
	if (!bl_creds_get(creds, &got, err) && !bl_credentials_copy(got, &copy, err) &&
	    !bl_creds_fixed(&copy, &fixed, err) && !bl_creds_get(fixed, &got, err))
		rc = strcmp(got->access_key, "ASIAONE") ? bl_fail(err, BL_EBUG, "other keys") : 0;
	bl_creds_close(fixed);
	bl_creds_close(creds);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = INPUT_TOKEN, .body = token_json(INPUT_CLAIMS) },
		{ .on = INPUT_STS, .body = assumed_xml("ASIAONE", bl_wall_ms() + HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));

	(void)state;
	be_a_job(server);
	each_allocation_fails(mint_story, 6000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shorter_sessions_are_renewed_later),
		cmocka_unit_test(what_is_due_follows_from_the_clock),
		cmocka_unit_test(six_hours_need_one_request_per_expiry),
		cmocka_unit_test(the_shortest_sessions_do_not_lapse),
		cmocka_unit_test(while_the_issuer_fails_the_old_ones_serve),
		cmocka_unit_test(earlier_it_is_asked_less_often),
		cmocka_unit_test(what_a_service_called_expired_is_renewed),
		cmocka_unit_test(a_refused_token_is_replaced_once),
		cmocka_unit_test(a_duration_that_was_refused_is_not_asked_again),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("creds", tests, NULL, NULL);
}
