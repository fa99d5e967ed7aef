/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct options {
	const char *baseline, *output, *dry_run;
	bool json, follow;
	int64_t lines, wait_ms;
};

static const struct bl_option table[] = {
	{ "baseline", 0, BL_OPT_TEXT, offsetof(struct options, baseline), "RUN",
	  "compare with it" },
	{ "dry-run", 0, BL_OPT_TEXT, offsetof(struct options, dry_run), "HOW", "only say" },
	{ "output", 'o', BL_OPT_TEXT, offsetof(struct options, output), "FILE", "write there" },
	{ "follow", 'f', BL_OPT_SWITCH, offsetof(struct options, follow), NULL, "go on" },
	{ "lines", 'n', BL_OPT_NUMBER, offsetof(struct options, lines), "N", "how many" },
	{ "wait", 0, BL_OPT_DURATION, offsetof(struct options, wait_ms), "TIME", "how long" },
	BL_OPT_JSON(struct options),
};

static const struct bl_usage plain = {
	.verb = "report",
	.example = "branchline report latest",
	.about = "Writes the report of a run.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

static const struct bl_usage whole = {
	.verb = "local",
	.example = "branchline local -- python train.py",
	.about = "Trains here.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
	.rest = true,
};

/* One command line, its words between blanks; read into opt and args. */
static int read_line(const struct bl_usage *usage, const char *line, struct options *opt,
                     struct bl_args *args, struct bl_err *err)
{
	static char copy[512];
	char *argv[32], *rest = NULL;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	memset(opt, 0, sizeof(*opt));
	return bl_options_read(usage, argc, argv, opt, args, err);
}

static void options_are_read(void **state)
{
	struct options opt;
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	(void)state;
	assert_int_equal(
		read_line(&plain, "report --baseline q7xk latest -o out -f -n 12 --wait=90s --json",
	                  &opt, &args, &err),
		0);
	assert_string_equal(opt.baseline, "q7xk");
	assert_string_equal(opt.output, "out");
	assert_true(opt.json && opt.follow);
	assert_int_equal(opt.lines, 12);
	assert_int_equal(opt.wait_ms, 90000);
	assert_int_equal(args.n_words, 1);
	assert_string_equal(args.words[0], "latest");
	assert_false(args.helped);
}

static void other_spellings_mean_the_same(void **state)
{
	struct options opt;
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	(void)state;
	assert_int_equal(read_line(&plain,
	                           "report --follow --no-follow --json=true -oout --lines=0 "
	                           "--baseline=--odd -- -word",
	                           &opt, &args, &err),
	                 0);
	assert_false(opt.follow);
	assert_true(opt.json);
	assert_string_equal(opt.output, "out");
	assert_int_equal(opt.lines, 0);
	assert_string_equal(opt.baseline, "--odd");
	assert_string_equal(args.words[0], "-word");
}

static void an_actions_inputs_are_options(void **state)
{
	struct options opt;
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 }, others = { 0 }, bad = { 0 };

	(void)state;
	setenv("INPUT_BASELINE", "q7xk", 1);
	setenv("INPUT_JSON", "true", 1);
	setenv("INPUT_LINES", "7", 1);
	setenv("INPUT_OUTPUT", "", 1); /* unset: a composite sets all of them */
	setenv("INPUT_DRY_RUN", "--odd text", 1);
	assert_int_equal(read_line(&plain, "report --lines 9", &opt, &args, &err), 0);
	assert_string_equal(opt.baseline, "q7xk");
	assert_true(opt.json);
	assert_int_equal(opt.lines, 9); /* the flag wins */
	assert_null(opt.output);
	assert_string_equal(opt.dry_run, "--odd text");
	setenv("INPUT_JSON", "false", 1);
	assert_int_equal(read_line(&plain, "report", &opt, &others, &err), 0);
	assert_false(opt.json);
	assert_int_equal(opt.lines, 7);
	setenv("INPUT_LINES", "many", 1);
	assert_int_equal(read_line(&plain, "report", &opt, &bad, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "INPUT_LINES: --lines: "));
	unsetenv("INPUT_BASELINE");
	unsetenv("INPUT_JSON");
	unsetenv("INPUT_LINES");
	unsetenv("INPUT_OUTPUT");
	unsetenv("INPUT_DRY_RUN");
}

static void configuration_keys_are_flags(void **state)
{
	static const struct bl_config_flag expect[] = {
		{ "max-runtime", "2h" },      { "param", "lr=1e-4" },
		{ "param", "n=2" },           { "auto-shutdown", "true" },
		{ "auto-shutdown", "false" }, { "checkpoints-keep-best", "false" },
		{ "data", "train=x" },        { "--", "[\"python\",\"--json\",\"train.py\"]" },
	};
	struct options opt;
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	(void)state;
	assert_int_equal(read_line(&whole,
	                           "local --max-runtime 2h --param lr=1e-4 --param=n=2 "
	                           "--auto-shutdown --no-auto-shutdown "
	                           "--checkpoints-keep-best=false --data train=x --json "
	                           "-- python --json train.py",
	                           &opt, &args, &err),
	                 0);
	assert_true(opt.json);
	assert_int_equal(args.n_flags, BL_COUNT(expect));
	for (size_t i = 0; i < BL_COUNT(expect); i++) {
		assert_string_equal(args.flags[i].name, expect[i].name);
		assert_string_equal(args.flags[i].value, expect[i].value);
	}
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const struct bl_usage *usage;
		const char *line, *error, *next;
	} cases[] = {
		{ &plain, "report --basline x", "unknown flag --basline; did you mean --baseline?",
		  "see branchline report --help" },
		{ &plain, "report --hepl", "unknown flag --hepl; did you mean --help?",
		  "see branchline report --help" },
		{ &plain, "report --max-runtime 2h", "unknown flag --max-runtime",
		  "see branchline report --help" },
		{ &plain, "report -x", "unknown flag -x", "see branchline report --help" },
		{ &plain, "report -fx", "unknown flag -fx", "see branchline report --help" },
		{ &plain, "report --baseline", "--baseline needs a value: --baseline RUN",
		  "see branchline report --help" },
		{ &plain, "report --baseline --json", "--baseline needs a value: --baseline RUN",
		  "see branchline report --help" },
		{ &plain, "report a b", "'b' is one argument too many",
		  "see branchline report --help" },
		{ &plain, "report -n x",
		  "--lines: 'x' is not a whole number from 0 to 9223372036854775807", "" },
		{ &plain, "report --wait 5",
		  "--wait: '5' is not a duration like 90s, 30m, 6h or 1h30m", "" },
		{ &plain, "report --json=yes", "--json: expected true or false, found 'yes'", "" },
		{ &plain, "report --no-baseline", "unknown flag --no-baseline",
		  "see branchline report --help" },
		{ &whole, "local --max-runtim 2h",
		  "unknown flag --max-runtim; did you mean --max-runtime?",
		  "see branchline local --help" },
		{ &whole, "local --no-gpus", "unknown flag --no-gpus",
		  "see branchline local --help" },
		{ &whole, "local --jobs x", "unknown flag --jobs", "see branchline local --help" },
		{ &whole, "local --param", "--param needs a value: --param NAME=VALUE",
		  "see branchline local --help" },
		{ &whole, "local word", "'word' is one argument too many",
		  "see branchline local --help" },
		{ &whole, "local --", "no command after --", "" },
		{ &whole, "local -- a \xff", "the command's argument 3 is not UTF-8", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct options opt;
		struct bl_err err = { 0 };
		BL_AUTO(bl_args) args = { 0 };

		assert_int_equal(read_line(cases[i].usage, cases[i].line, &opt, &args, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		if (strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: %s", cases[i].line, err.text);
		assert_string_equal(err.next, cases[i].next);
	}
}

static void missing_words_show_the_usage(void **state)
{
	struct bl_usage two = plain;
	struct options opt;
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	(void)state;
	two.words = "A B";
	two.words_min = two.words_max = 2;
	assert_int_equal(read_line(&two, "report a", &opt, &args, &err), -1);
	assert_string_equal(err.text, "usage: branchline report A B");
}

static void too_many_flags_are_refused(void **state)
{
	enum { FLAGS = BL_ARGS_FLAGS + 1 };
	static char *argv[FLAGS + 2];
	static char verb[] = "local", flag[] = "--gpus=1";
	struct options opt = { 0 };
	struct bl_err err = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	(void)state;
	argv[0] = verb;
	for (int i = 1; i <= FLAGS; i++)
		argv[i] = flag;
	assert_int_equal(bl_options_read(&whole, FLAGS + 1, argv, &opt, &args, &err), -1);
	assert_string_equal(err.text, "over 256 flags");
}

static void repeated_options_keep_their_order(void **state)
{
	struct rules {
		struct bl_each each;
	} opt = { 0 };
	static const struct bl_option rules[] = {
		{ "include", 0, BL_OPT_EACH, offsetof(struct rules, each), "GLOB", "these" },
		{ "exclude", 0, BL_OPT_EACH, offsetof(struct rules, each), "GLOB", "not these" },
	};
	static const struct bl_usage usage = {
		.verb = "sync",
		.example = "x",
		.about = "x",
		.options = rules,
		.n_options = 2,
	};
	char words[][16] = { "sync", "--exclude", "*", "--include", "*.pt", "--exclude=a" };
	char *argv[BL_EACH_MAX + 2];
	BL_AUTO(bl_args) args = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(words); i++)
		argv[i] = words[i];
	assert_int_equal(bl_options_read(&usage, 6, argv, &opt, &args, &err), 0);
	assert_int_equal(opt.each.n, 3);
	assert_string_equal(opt.each.flags[0], "exclude");
	assert_string_equal(opt.each.texts[0], "*");
	assert_string_equal(opt.each.flags[1], "include");
	assert_string_equal(opt.each.texts[1], "*.pt");
	assert_string_equal(opt.each.texts[2], "a");
	for (size_t i = 1; i <= BL_EACH_MAX + 1; i++)
		argv[i] = words[5];
	opt = (struct rules){ 0 };
	assert_int_equal(bl_options_read(&usage, BL_EACH_MAX + 2, argv, &opt, &args, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void the_help_begins_with_an_example(void **state)
{
	static const char expect[] = "branchline report latest\n"
				     "\n"
				     "Writes the report of a run.\n"
				     "\n"
				     "usage: branchline report [RUN] [options]\n"
				     "\n"
				     "      --baseline RUN           compare with it\n"
				     "      --dry-run HOW            only say\n"
				     "  -o, --output FILE            write there\n"
				     "  -f, --follow                 go on\n"
				     "  -n, --lines N                how many\n"
				     "      --wait TIME              how long\n"
				     "      --json                   print JSON\n"
				     "  -h, --help                   print this\n";
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	BL_AUTO(bl_buf) other = BL_BUF(65536);

	(void)state;
	bl_options_help(&plain, &text);
	assert_string_equal(bl_buf_text(&text), expect);
	bl_options_help(&whole, &other);
	assert_non_null(strstr(bl_buf_text(&other), "usage: branchline local [options] "
	                                            "[-- COMMAND...]\n"));
	assert_non_null(strstr(bl_buf_text(&other), "\nEvery key of branchline.yaml is a flag"));
}

static int whole_story(struct bl_err *err)
{
	struct options opt;
	struct bl_found found;
	BL_AUTO(bl_config) config = { 0 };
	BL_AUTO(bl_args) args = { 0 };

	if (read_line(&whole, "local --gpus 2 --param a=1 -- a b", &opt, &args, err))
		return -1;
	return bl_options_config(NULL, NULL, &args, NULL, &config, &found, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	/* libcrypto's first digest sets it up, and without memory for that it crashes */
	assert_int_equal(whole_story(&err), 0);
	each_allocation_fails(whole_story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(other_spellings_mean_the_same),
		cmocka_unit_test(an_actions_inputs_are_options),
		cmocka_unit_test(configuration_keys_are_flags),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(missing_words_show_the_usage),
		cmocka_unit_test(too_many_flags_are_refused),
		cmocka_unit_test(repeated_options_keep_their_order),
		cmocka_unit_test(the_help_begins_with_an_example),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
