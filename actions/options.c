/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"

#include "base/str.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
	const struct bl_usage *usage;
	char **argv;
	int argc, at;
	void *into;
	struct bl_args *args;
};

void bl_args_done(struct bl_args *args)
{
	bl_buf_done(&args->command);
	memset(args, 0, sizeof(*args));
}

/* --- Help ------------------------------------------------------------------------------------- */

static void add_option(struct bl_buf *out, const struct bl_option *option)
{
	char left[64], letter[8] = "    ";

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->flag, option->metavar ? " " : "",
	         option->metavar ? option->metavar : "");
	bl_buf_addf(out, "  %-28s %s\n", left, option->help);
}

void bl_options_help(const struct bl_usage *usage, struct bl_buf *out)
{
	static const struct bl_option help = { .flag = "help",
		                               .letter = 'h',
		                               .help = "print this" };

	bl_buf_addf(out, "%s\n\n%s\n\n", usage->example, usage->about);
	bl_buf_addf(out, "usage: branchline %s%s%s [options]%s\n\n", usage->verb,
	            usage->words ? " " : "", usage->words ? usage->words : "",
	            usage->rest ? " [-- COMMAND...]" : "");
	for (size_t i = 0; i < usage->n_options; i++)
		add_option(out, &usage->options[i]);
	add_option(out, &help);
	if (usage->more)
		usage->more(out);
	else if (usage->config)
		bl_buf_adds(out,
		            "\nEvery key of branchline.yaml is a flag, too, as --max-runtime 2h; "
		            "--param NAME=VALUE\nsets a hyperparameter, --data NAME=PATH a data "
		            "channel. All keys: branchline config --help\n");
}

static int print_help(const struct parse *p, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);

	bl_options_help(p->usage, &text);
	if (bl_buf_check(&text, "help", err))
		return -1;
	fputs(bl_buf_text(&text), stdout);
	p->args->helped = true;
	return 0;
}

/* --- Flags ------------------------------------------------------------------------------------ */

static int usage_error(const struct parse *p, struct bl_err *err)
{
	return bl_next(err, "see branchline %s --help", p->usage->verb);
}

static const struct bl_option *find_option(const struct bl_usage *usage, const char *flag)
{
	for (size_t i = 0; i < usage->n_options; i++)
		if (!strcmp(usage->options[i].flag, flag))
			return &usage->options[i];
	return NULL;
}

static int unknown_flag(const struct parse *p, const char *flag, struct bl_err *err)
{
	char names[128][BL_CONFIG_NAME];
	const char *words[128], *near;
	size_t n = 0;

	snprintf(names[n++], BL_CONFIG_NAME, "help");
	for (size_t i = 0; i < p->usage->n_options && n < 64; i++)
		snprintf(names[n++], BL_CONFIG_NAME, "%s", p->usage->options[i].flag);
	for (size_t i = 0; p->usage->config && i < bl_config_table_n && n < BL_COUNT(names); i++)
		if (!(bl_config_table[i].traits & BL_CONFIG_FILE_ONLY))
			bl_config_flag_name(&bl_config_table[i], names[n++]);
	if (p->usage->config && n < BL_COUNT(names))
		snprintf(names[n++], BL_CONFIG_NAME, "param");
	for (size_t i = 0; i < n; i++)
		words[i] = names[i];
	near = bl_str_nearest(flag, words, n);
	bl_fail(err, BL_EINPUT, "unknown flag --%.64s%s%s%s", flag, near ? "; did you mean --" : "",
	        near ? near : "", near ? "?" : "");
	return usage_error(p, err);
}

/* The value of the flag at hand: behind '=', or the next argument. */
static int value_of(struct parse *p, const char *flag, const char *metavar, const char *inline_text,
                    const char **out, struct bl_err *err)
{
	const char *next = p->at + 1 < p->argc ? p->argv[p->at + 1] : NULL;

	if (inline_text) {
		*out = inline_text;
		return 0;
	}
	if (!next || bl_str_starts(next, "--")) {
		bl_fail(err, BL_EINPUT, "--%s needs a value: --%s %s", flag, flag,
		        metavar ? metavar : "VALUE");
		return usage_error(p, err);
	}
	p->at++;
	*out = next;
	return 0;
}

static int parse_truth(const char *flag, const char *text, bool *out, struct bl_err *err)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return bl_fail(err, BL_EINPUT, "--%s: expected true or false, found '%.64s'", flag,
		               text);
	*out = !strcmp(text, "true");
	return 0;
}

static int add_each(struct bl_each *each, const char *flag, const char *text, struct bl_err *err)
{
	if (each->n == BL_EACH_MAX)
		return bl_fail(err, BL_EINPUT, "--%s: over %d of them", flag, BL_EACH_MAX);
	each->flags[each->n] = flag;
	each->texts[each->n++] = text;
	return 0;
}

static int set_option(struct parse *p, const struct bl_option *option, const char *text,
                      struct bl_err *err)
{
	char *field = (char *)p->into + option->offset;
	const char *value;
	uint64_t number;
	int64_t ms;

	if (option->type == BL_OPT_SWITCH) {
		bool on = true;

		if (text && parse_truth(option->flag, text, &on, err))
			return -1;
		memcpy(field, &on, sizeof(on));
		return 0;
	}
	if (value_of(p, option->flag, option->metavar, text, &value, err))
		return -1;
	switch (option->type) {
	case BL_OPT_NUMBER:
		if (bl_str_u64(value, 0, INT64_MAX, &number, err))
			return bl_wrap(err, "--%s", option->flag);
		memcpy(field, &number, sizeof(number));
		return 0;
	case BL_OPT_DURATION:
		if (bl_str_duration(value, &ms, err))
			return bl_wrap(err, "--%s", option->flag);
		memcpy(field, &ms, sizeof(ms));
		return 0;
	case BL_OPT_EACH:
		return add_each((struct bl_each *)(void *)field, option->flag, value, err);
	default:
		memcpy(field, &value, sizeof(value));
		return 0;
	}
}

static int add_flag(struct parse *p, const char *name, const char *value, struct bl_err *err)
{
	struct bl_args *args = p->args;
	size_t i = args->n_flags;

	if (i == BL_ARGS_FLAGS)
		return bl_fail(err, BL_EINPUT, "over %d flags", BL_ARGS_FLAGS);
	snprintf(args->names[i], sizeof(args->names[i]), "%s", name);
	args->flags[i] = (struct bl_config_flag){ args->names[i], value };
	args->n_flags++;
	return 0;
}

static int config_flag(struct parse *p, const struct bl_config_key *key, const char *flag,
                       const char *text, struct bl_err *err)
{
	const char *metavar = bl_config_is_map(key->type) ? "NAME=VALUE" : "VALUE";
	const char *value = "true";

	if (text)
		value = text;
	else if (key->type != BL_CONFIG_BOOL && value_of(p, flag, metavar, NULL, &value, err))
		return -1;
	return add_flag(p, flag, value, err);
}

/* --no-NAME; true when there is such a switch. */
static bool is_negated(const struct bl_usage *usage, const char *flag)
{
	const struct bl_option *option;
	const struct bl_config_key *key;

	if (!bl_str_starts(flag, "no-"))
		return false;
	option = find_option(usage, flag + 3);
	if (option)
		return option->type == BL_OPT_SWITCH;
	key = usage->config ? bl_config_find_flag(flag + 3) : NULL;
	return key && key->type == BL_CONFIG_BOOL;
}

static int long_flag(struct parse *p, const char *arg, struct bl_err *err)
{
	char name[BL_CONFIG_NAME];
	size_t len = strcspn(arg + 2, "=");
	const char *text = arg[2 + len] ? arg + 3 + len : NULL, *flag = name;
	const struct bl_option *option;
	const struct bl_config_key *key;

	snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name)),
	         arg + 2);
	if (!strcmp(name, "help"))
		return print_help(p, err);
	option = find_option(p->usage, flag);
	key = p->usage->config && !option ? bl_config_find_flag(flag) : NULL;
	if (!option && !key && !text && is_negated(p->usage, flag)) {
		flag += 3;
		text = "false";
		option = find_option(p->usage, flag);
		key = option ? NULL : bl_config_find_flag(flag);
	}
	if (option)
		return set_option(p, option, text, err);
	if (key)
		return config_flag(p, key, flag, text, err);
	return unknown_flag(p, flag, err);
}

static int short_flag(struct parse *p, const char *arg, struct bl_err *err)
{
	if (arg[1] == 'h' && !arg[2])
		return print_help(p, err);
	for (size_t i = 0; i < p->usage->n_options; i++) {
		const struct bl_option *option = &p->usage->options[i];

		if (option->letter != arg[1] || (arg[2] && option->type == BL_OPT_SWITCH))
			continue;
		return set_option(p, option, arg[2] ? arg + 2 : NULL, err);
	}
	bl_fail(err, BL_EINPUT, "unknown flag %.32s", arg);
	return usage_error(p, err);
}

/* --- Words and the rest ----------------------------------------------------------------------- */

static int take_word(struct parse *p, const char *word, struct bl_err *err)
{
	size_t max = p->usage->words_max < BL_ARGS_WORDS ? p->usage->words_max : BL_ARGS_WORDS;

	if (p->args->n_words == max) {
		bl_fail(err, BL_EINPUT, "'%.64s' is one argument too many", word);
		return usage_error(p, err);
	}
	p->args->words[p->args->n_words++] = word;
	return 0;
}

static int take_command(struct parse *p, struct bl_err *err)
{
	struct bl_json json = BL_JSON(&p->args->command);

	if (p->at + 1 >= p->argc)
		return bl_fail(err, BL_EINPUT, "no command after --");
	bl_json_list(&json, NULL);
	while (++p->at < p->argc) {
		const char *arg = p->argv[p->at];

		if (bl_utf8_valid(arg, strlen(arg)) != strlen(arg))
			return bl_fail(err, BL_EINPUT, "the command's argument %d is not UTF-8",
			               p->at);
		bl_json_text(&json, NULL, arg);
	}
	bl_json_end_list(&json);
	if (bl_buf_check(&p->args->command, "the command after --", err))
		return -1;
	return add_flag(p, "--", bl_buf_text(&p->args->command), err);
}

static int take_rest(struct parse *p, struct bl_err *err)
{
	if (p->usage->rest)
		return take_command(p, err);
	while (++p->at < p->argc)
		if (take_word(p, p->argv[p->at], err))
			return -1;
	return 0;
}

/* --- Inputs of an action ---------------------------------------------------------------------- */

/* "a-b" is INPUT_A_B. */
static void input_name(const char *flag, char *name, size_t size)
{
	int n = snprintf(name, size, "INPUT_%s", flag);

	for (int i = 0; i < n && (size_t)i < size && name[i]; i++) {
		if (name[i] == '-')
			name[i] = '_';
		else if (name[i] >= 'a' && name[i] <= 'z')
			name[i] = (char)(name[i] - 'a' + 'A');
	}
}

/* What an action maps into the environment; empty is unset: a composite sets them all. */
static int read_inputs(struct parse *p, struct bl_err *err)
{
	for (size_t i = 0; i < p->usage->n_options; i++) {
		const struct bl_option *option = &p->usage->options[i];
		char name[BL_CONFIG_NAME + 8];
		const char *text;

		input_name(option->flag, name, sizeof(name));
		text = getenv(name);
		if (!text || !*text || !set_option(p, option, text, err))
			continue;
		return bl_wrap(err, "%s", name);
	}
	return 0;
}

int bl_options_read(const struct bl_usage *usage, int argc, char **argv, void *into,
                    struct bl_args *args, struct bl_err *err)
{
	struct parse p = { usage, argv, argc, 0, into, args };

	args->command = BL_BUF(1u << 20);
	if (!usage->no_inputs && read_inputs(&p, err))
		return -1;
	for (p.at = 1; p.at < argc && !args->helped; p.at++) {
		const char *arg = argv[p.at];
		int rc;

		if (!strcmp(arg, "--"))
			rc = take_rest(&p, err);
		else if (bl_str_starts(arg, "--"))
			rc = long_flag(&p, arg, err);
		else if (arg[0] == '-' && arg[1])
			rc = short_flag(&p, arg, err);
		else
			rc = take_word(&p, arg, err);
		if (rc)
			return -1;
	}
	if (args->helped || args->n_words >= usage->words_min)
		return 0;
	bl_fail(err, BL_EINPUT, "usage: branchline %s %s", usage->verb, usage->words);
	return usage_error(&p, err);
}
