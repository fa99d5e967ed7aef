/* SPDX-License-Identifier: Apache-2.0 */
#include "run/comment.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/markdown.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define SHA "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"
#define POINTS 40u
#define STATES (BL_COMMENT_CANCELLED + 1)

static double steps[POINTS], values[POINTS];
static struct bl_curve curve = { .name = "eval_loss",
	                         .n = POINTS,
	                         .step = steps,
	                         .value = values,
	                         .bad_step = NAN,
	                         .has_steps = true };

static int make_curve(void **state)
{
	(void)state;
	for (unsigned i = 0; i < POINTS; i++) {
		steps[i] = 10 + 10.0 * i;
		values[i] = 1.7 + 1.2 / (1 + i / 6.0);
	}
	curve.last = values[POINTS - 1];
	return 0;
}

/* All is known. */
static struct bl_comment full(enum bl_comment_state state)
{
	struct bl_comment comment;

	bl_comment_init(&comment);
	comment.state = state;
	comment.sha = SHA;
	comment.job = "default";
	comment.run = RUN;
	comment.actor = "ann";
	comment.place = "g6.xlarge spot us-east-1b";
	comment.store = "s3://branchline-store-1234";
	comment.job_url = "https://github.com/o/r/actions/runs/12";
	comment.phase = "training";
	comment.message = "no pool has capacity";
	comment.next = "try `wait_for_capacity: 30m`, or other instance types";
	comment.stage = "launch";
	comment.primary = "eval_loss";
	comment.primary_value = 1.84;
	comment.step = 400;
	comment.total_steps = 1000;
	comment.cost_usd = 0.31;
	comment.usd_hour = 0.457;
	comment.estimate_usd = 0.6;
	comment.max_cost_usd = 10;
	comment.resumed_step = 380;
	comment.at_ms = 1795507200000;
	comment.eta_ms = 25 * 60000;
	comment.attempt = 2;
	comment.interruptions = 1;
	comment.curve = &curve;
	comment.log = "step 398\nstep 399\nstep 400\n";
	return comment;
}

static void write_it(const struct bl_comment *comment, struct bl_buf *out)
{
	struct bl_err err = { 0 };

	bl_buf_reset(out);
	if (bl_comment_write(comment, out, &err))
		fail_msg("%s", err.text);
}

static void check_first_line(const struct bl_comment *comment, const char *line)
{
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	write_it(comment, &out);
	if (strncmp(bl_buf_text(&out), line, strlen(line)) != 0 || out.data[strlen(line)] != '\n')
		fail_msg("not '%s' but:\n%s", line, bl_buf_text(&out));
	check_markdown(bl_buf_text(&out));
}

static void the_verdict_comes_first(void **state)
{
	static const char *const lines[STATES] = {
		[BL_COMMENT_ACCEPTED] = "### 🟡 Accepted: `1a2b3c4` will be trained",
		[BL_COMMENT_REFUSED] = "### ⛔ Not trained: no pool has capacity",
		[BL_COMMENT_BUILDING] = "### 🟡 Making the image of `1a2b3c4`",
		[BL_COMMENT_LAUNCHING] = "### 🟡 Launching `1a2b3c4`: training",
		[BL_COMMENT_BOOTING] = "### 🟡 Booting g6.xlarge spot us-east-1b",
		[BL_COMMENT_RUNNING] = "### 🟡 Training: step 400/1000 (40 %), eval_loss 1.84, "
				       "ETA 25 min, &#36;0.31 so far",
		[BL_COMMENT_INTERRUPTED] = "### 🟠 Interrupted, attempt 2 goes on from step 380",
		[BL_COMMENT_HANDED_OVER] =
			"### 🔵 The run goes on, and this job no longer waits for it",
		[BL_COMMENT_FAILED] = "### 🔴 Launch failed: no pool has capacity",
		[BL_COMMENT_CANCELLED] = "### ⚪ Cancelled: no pool has capacity",
	};

	(void)state;
	for (unsigned i = 0; i < STATES; i++) {
		struct bl_comment comment = full((enum bl_comment_state)i);

		check_first_line(&comment, lines[i]);
	}
}

/* With nothing known each state still says what it is, and nothing like "null" or "nan". */
static void what_is_unknown_is_left_out(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	(void)state;
	for (unsigned i = 0; i < STATES; i++) {
		struct bl_comment comment;

		bl_comment_init(&comment);
		comment.state = (enum bl_comment_state)i;
		write_it(&comment, &out);
		check_markdown(bl_buf_text(&out));
		assert_null(strstr(bl_buf_text(&out), "nan"));
		assert_null(strstr(bl_buf_text(&out), "null"));
		assert_null(strstr(bl_buf_text(&out), "<sub></sub>"));
		assert_null(strstr(bl_buf_text(&out), "branchline "));
	}
}

/* Messages of ours mark what is to be typed by backticks; a hostile one has them, too. */
static void what_to_type_is_code(void **state)
{
	static const struct {
		const char *next, *line;
	} table[] = {
		{ "add `id-token: write`, or `x|y`", "add `id-token: write`&#44; or x&#124;y" },
		{ "`a` `", "`a` &#96;" },
		{ "a ``b`` c", "a &#96;&#96;b&#96;&#96; c" },
		{ "`@a <b>` @b", "`@a <b>` @\xe2\x80\x8b"
		                 "b" },
	};
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_comment comment = full(BL_COMMENT_REFUSED);
		char line[256];

		comment.next = table[i].next;
		write_it(&comment, &out);
		check_markdown(bl_buf_text(&out));
		snprintf(line, sizeof(line), "\n**Next:** %s\n\n", table[i].line);
		if (!strstr(out.data, line))
			fail_msg("not '%s' in:\n%s", line, out.data);
	}
}

static void phases_are_words(void **state)
{
	static const struct {
		const char *phase, *line;
	} table[] = {
		{ "restore", "### 🟡 Restoring the checkpoint: &#36;0.31 so far" },
		{ "flush", "### 🟡 Saving what it made: &#36;0.31 so far" },
		{ "odd|one", "### 🟡 Running, odd&#124;one: &#36;0.31 so far" },
		{ NULL, "### 🟡 Training: &#36;0.31 so far" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_comment comment = full(BL_COMMENT_RUNNING);

		comment.phase = table[i].phase;
		comment.step = comment.primary_value = NAN;
		comment.eta_ms = 0;
		check_first_line(&comment, table[i].line);
	}
}

static void commands_are_exact(void **state)
{
	struct bl_comment comment = full(BL_COMMENT_RUNNING);
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	(void)state;
	write_it(&comment, &out);
	assert_non_null(strstr(out.data,
	                       "\nbranchline logs -f " RUN " --store s3://branchline-store-1234\n"
	                       "branchline stop " RUN " --store s3://branchline-store-1234\n"
	                       "branchline pull " RUN));
	comment.store = "s3://x; rm -rf ~";
	comment.state = BL_COMMENT_FAILED;
	write_it(&comment, &out);
	assert_non_null(strstr(out.data, "\nbranchline logs " RUN "\nbranchline pull " RUN "\n"));
	comment.run = "latest; rm -rf ~";
	write_it(&comment, &out);
	assert_null(strstr(out.data, "branchline logs"));
}

static void the_curve_is_drawn_while_it_runs(void **state)
{
	struct bl_comment comment = full(BL_COMMENT_RUNNING);
	BL_AUTO(bl_buf) out = BL_BUF(60000);
	const char *chart, *fold;

	(void)state;
	write_it(&comment, &out);
	chart = strstr(out.data, "```mermaid\n");
	fold = strstr(out.data, "<details>");
	assert_true(chart && fold && chart < fold);
	assert_non_null(strstr(chart, "xychart-beta\n  title \"eval_loss\""));
	comment.state = BL_COMMENT_FAILED;
	write_it(&comment, &out);
	assert_non_null(strstr(out.data, "<summary>Curve of eval_loss</summary>"));
}

/* A long cause is cut in the heading, and told whole below it. */
static void a_long_cause_is_told_whole(void **state)
{
	struct bl_comment comment = full(BL_COMMENT_FAILED);
	BL_AUTO(bl_buf) out = BL_BUF(60000);
	char message[401];

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	memcpy(message + 396, "end.", 4);
	comment.message = message;
	write_it(&comment, &out);
	assert_non_null(strstr(out.data, "end.\n\n**Next:**"));
	check_markdown(bl_buf_text(&out));
}

static void set_text(struct bl_comment *comment, unsigned member, const char *text)
{
	const char **members[] = { &comment->sha,   &comment->job,     &comment->run,
		                   &comment->actor, &comment->place,   &comment->store,
		                   &comment->phase, &comment->job_url, &comment->message,
		                   &comment->next,  &comment->stage,   &comment->primary,
		                   &comment->log };

	assert_true(BL_COUNT(members) == 13);
	*members[member] = text;
}

static void hostile_text_stays_text(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	(void)state;
	for (size_t i = 0; i < n_hostile_texts; i++) {
		for (unsigned s = 0; s < STATES; s++) {
			struct bl_curve odd = curve;
			struct bl_comment comment = full((enum bl_comment_state)s);

			snprintf(odd.name, sizeof(odd.name), "%s", hostile_texts[i]);
			comment.curve = &odd;
			for (unsigned member = 0; member < 13; member++)
				set_text(&comment, member, hostile_texts[i]);
			write_it(&comment, &out);
			check_markdown(bl_buf_text(&out));
		}
	}
}

/* Pieces of what Markdown acts on, in any order: a seed that fails is in the message's text. */
static void any_mixture_stays_text(void **state)
{
	static const char *const pieces[] = {
		"@a", "#1",  "`",   "``",  "```",  "\n",  "|",  "<",         ">",  "<!",
		"--", "-->", "[x]", "(y)", "\\",   "&",   "~~", "<b>",       "</", "*",
		"_",  "://", "w",   " ",   "\xc3", ":x:", "$",  "</details>"
	};
	BL_AUTO(bl_buf) out = BL_BUF(60000);
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct bl_comment comment = full((enum bl_comment_state)(round % STATES));
		char text[96] = "";

		for (unsigned i = 0; i < 14; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			strncat(text, pieces[seed % BL_COUNT(pieces)],
			        sizeof(text) - strlen(text) - 1);
		}
		set_text(&comment, round / STATES % 13, text);
		write_it(&comment, &out);
		check_markdown(bl_buf_text(&out));
	}
}

static void it_stays_within_what_github_takes(void **state)
{
	struct bl_comment comment = full(BL_COMMENT_RUNNING);
	size_t len = (size_t)1 << 20;
	char *log = malloc(len + 1);
	BL_AUTO(bl_buf) out = BL_BUF(60000), small = BL_BUF(100);
	struct bl_err err = { 0 };

	(void)state;
	assert_non_null(log);
	memset(log, 0xff, len); /* each becomes three bytes */
	log[len] = '\0';
	comment.log = log;
	write_it(&comment, &out);
	check_markdown(bl_buf_text(&out));
	assert_int_equal(bl_comment_write(&comment, &small, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	free(log);
}

static int story(struct bl_err *err)
{
	struct bl_comment comment = full(BL_COMMENT_RUNNING);
	BL_AUTO(bl_buf) out = BL_BUF(60000);

	return bl_comment_write(&comment, &out, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verdict_comes_first),
		cmocka_unit_test(what_is_unknown_is_left_out),
		cmocka_unit_test(what_to_type_is_code),
		cmocka_unit_test(phases_are_words),
		cmocka_unit_test(commands_are_exact),
		cmocka_unit_test(the_curve_is_drawn_while_it_runs),
		cmocka_unit_test(a_long_cause_is_told_whole),
		cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(any_mixture_stays_text),
		cmocka_unit_test(it_stays_within_what_github_takes),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, make_curve, NULL);
}
