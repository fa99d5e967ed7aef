/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command.h"

#include "base/str.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENT_MAX ((size_t)128 << 10) /* Linux MAX_ARG_STRLEN, the final NUL counted */
#define ARGUMENTS_MAX 65536

static const char *const style_words[] = { "flags", "values", "equals", "none" };
static const char *const launcher_words[] = { "none", "torchrun", "accelerate" };

void command_done(struct command *command)
{
	for (size_t i = 0; i < command->argc; i++)
		free(command->argv[i]);
	free(command->argv);
	*command = (struct command){ 0 };
}

static int add_bytes(struct command *command, const char *text, size_t len, struct bl_err *err)
{
	char **grown, *copy;

	if (len >= ARGUMENT_MAX || command->argc >= ARGUMENTS_MAX)
		return bl_fail(err, BL_EINPUT, "the command is too long: an argument of %zu bytes",
		               len);
	grown = realloc(command->argv, (command->argc + 2) * sizeof(*grown));
	if (!grown)
		return bl_fail(err, BL_ENOMEM, "command: out of memory");
	command->argv = grown;
	grown[command->argc] = NULL;
	copy = malloc(len + 1);
	if (!copy)
		return bl_fail(err, BL_ENOMEM, "command: out of memory");
	memcpy(copy, text, len);
	copy[len] = '\0';
	grown[command->argc++] = copy;
	grown[command->argc] = NULL;
	return 0;
}

static int add(struct command *command, const char *text, struct bl_err *err)
{
	return add_bytes(command, text, strlen(text), err);
}

static int add_buf(struct command *command, const struct bl_buf *buf, struct bl_err *err)
{
	if (bl_buf_check(buf, "command", err))
		return -1;
	return add_bytes(command, bl_buf_text(buf), buf->len, err);
}

static void value_text(const struct bl_value *value, enum command_style style, struct bl_buf *buf)
{
	struct bl_json json = BL_JSON(buf);
	bool pythonic = style == STYLE_VALUES;

	switch (value->type) {
	case BL_STRING:
		bl_buf_adds(buf, value->text);
		return;
	case BL_BOOL:
		if (pythonic)
			bl_buf_adds(buf, value->boolean ? "True" : "False");
		else
			bl_buf_adds(buf, value->boolean ? "true" : "false");
		return;
	case BL_NULL:
		bl_buf_adds(buf, pythonic ? "None" : "null");
		return;
	case BL_INT:
	case BL_REAL:
		if (value->text) /* as its author wrote it */
			bl_buf_adds(buf, value->text);
		else if (value->type == BL_INT)
			bl_buf_addf(buf, "%" PRId64, value->integer);
		else
			bl_json_add_real(buf, value->real);
		return;
	case BL_LIST:
	case BL_MAP:
		bl_json_value(&json, NULL, value);
		return;
	}
}

static int add_one(struct command *command, const struct bl_value *value, enum command_style style,
                   struct bl_err *err)
{
	BL_AUTO(bl_buf) key = BL_BUF(ARGUMENT_MAX);
	BL_AUTO(bl_buf) text = BL_BUF(ARGUMENT_MAX);
	bool is_letter = value->key[0] && !value->key[1];

	value_text(value, style, &text);
	if (style == STYLE_EQUALS) {
		bl_buf_addf(&key, "%s=%s", value->key, bl_buf_text(&text));
		return add_buf(command, &key, err);
	}
	bl_buf_addf(&key, "%s%s", style == STYLE_VALUES && is_letter ? "-" : "--", value->key);
	if (style == STYLE_FLAGS && value->type == BL_NULL)
		return 0;
	if (style == STYLE_FLAGS && value->type == BL_BOOL)
		return value->boolean ? add_buf(command, &key, err) : 0;
	if (add_buf(command, &key, err))
		return -1;
	return add_buf(command, &text, err);
}

static int by_key(const void *a, const void *b)
{
	const struct bl_value *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

static size_t count_given(const struct command_plan *plan)
{
	const struct bl_value *map = plan->hyperparameters;
	size_t given = 0;

	if (plan->style == STYLE_NONE || !map)
		return 0;
	for (size_t i = 0; i < map->n; i++)
		given += !bl_str_starts(map->items[i]->key, "sagemaker_");
	return given;
}

static int add_hyperparameters(struct command *command, const struct command_plan *plan,
                               struct bl_err *err)
{
	const struct bl_value *map = plan->hyperparameters;
	const struct bl_value **sorted;
	int rc = 0;

	if (!count_given(plan))
		return 0;
	sorted = calloc(map->n, sizeof(struct bl_value *));
	if (!sorted)
		return bl_fail(err, BL_ENOMEM, "command: out of memory");
	for (size_t i = 0; i < map->n; i++)
		sorted[i] = map->items[i];
	qsort(sorted, map->n, sizeof(struct bl_value *), by_key);
	for (size_t i = 0; i < map->n && !rc; i++)
		if (!bl_str_starts(sorted[i]->key, "sagemaker_"))
			rc = add_one(command, sorted[i], plan->style, err);
	free(sorted);
	return rc;
}

/* Whether the shell text says where its arguments go. */
static bool takes_arguments(const char *text)
{
	return strstr(text, "$@") || strstr(text, "${@") || strstr(text, "$*") ||
	       strstr(text, "${*") || strstr(text, "$1") || strstr(text, "${1");
}

static int build_shell(const struct command_plan *plan, struct command *made, struct bl_err *err)
{
	const char *text = plan->command->text;

	if (!text[strspn(text, " \t\r\n")])
		return bl_fail(err, BL_EINPUT, "command is empty");
	if (plan->launcher != LAUNCH_NONE) {
		bl_fail(err, BL_EINPUT, "launcher: %s needs a command that is a list",
		        launcher_words[plan->launcher]);
		return bl_next(err, "write it as command: [python, train.py]");
	}
	if (count_given(plan) && !takes_arguments(text)) {
		bl_fail(err, BL_EINPUT, "the command text takes no hyperparameters");
		return bl_next(err, "say \"$@\" where they belong, use a list, or set "
		                    "hyperparameters_as: none");
	}
	made->is_shell = true;
	if (add(made, "/bin/sh", err) || add(made, "-c", err) || add(made, text, err) ||
	    add(made, "sh", err))
		return -1;
	return add_hyperparameters(made, plan, err);
}

static int add_launcher(struct command *made, const struct command_plan *plan, struct bl_err *err)
{
	char processes[48];

	if (plan->launcher == LAUNCH_NONE)
		return 0;
	bool torchrun = plan->launcher == LAUNCH_TORCHRUN;
	snprintf(processes, sizeof(processes), "%s=%" PRId64,
	         torchrun ? "--nproc_per_node" : "--num_processes",
	         plan->gpus > 1 ? plan->gpus : 1);
	if (torchrun)
		return add(made, "torchrun", err) || add(made, "--standalone", err) ||
		                       add(made, processes, err) || add(made, "--no_python", err)
		               ? -1
		               : 0;
	return add(made, "accelerate", err) || add(made, "launch", err) ||
	                       add(made, processes, err) || add(made, "--no_python", err)
	               ? -1
	               : 0;
}

static int build_list(const struct command_plan *plan, struct command *made, struct bl_err *err)
{
	const struct bl_value *list = plan->command;

	if (!list->n || list->items[0]->type != BL_STRING || !list->items[0]->text[0])
		return bl_fail(err, BL_EINPUT, "command is empty");
	if (add_launcher(made, plan, err))
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		BL_AUTO(bl_buf) text = BL_BUF(ARGUMENT_MAX);

		if (list->items[i]->type == BL_LIST || list->items[i]->type == BL_MAP)
			return bl_fail(err, BL_EINPUT, "command[%zu] is a %s, not a text", i,
			               bl_type_name(list->items[i]->type));
		value_text(list->items[i], STYLE_EQUALS, &text);
		if (add_buf(made, &text, err))
			return -1;
	}
	return add_hyperparameters(made, plan, err);
}

int command_build(const struct command_plan *plan, struct command *out, struct bl_err *err)
{
	BL_AUTO(command) made = { 0 };
	int rc;

	if (!plan->command) {
		bl_fail(err, BL_EINPUT, "there is no command");
		return bl_next(err, "set `command` in branchline.yaml, or give one after --");
	}
	if (plan->command->type == BL_STRING)
		rc = build_shell(plan, &made, err);
	else if (plan->command->type == BL_LIST)
		rc = build_list(plan, &made, err);
	else
		rc = bl_fail(err, BL_EINPUT, "command is a %s, not a list or a text",
		             bl_type_name(plan->command->type));
	if (rc)
		return -1;
	*out = made;
	made = (struct command){ 0 };
	return 0;
}

int command_copy(int argc, char *const *argv, struct command *out, struct bl_err *err)
{
	BL_AUTO(command) made = { 0 };

	for (int i = 0; i < argc; i++)
		if (add(&made, argv[i], err))
			return -1;
	if (!made.argc || !made.argv[0][0])
		return bl_fail(err, BL_EINPUT, "command is empty");
	*out = made;
	made = (struct command){ 0 };
	return 0;
}

static int word_index(const char *what, const char *word, const char *const *words, size_t n,
                      size_t *out, struct bl_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(word, words[i])) {
			*out = i;
			return 0;
		}
	}
	return bl_fail(err, BL_EINPUT, "%s: '%.32s' is none of %s, %s, %s%s%s", what, word,
	               words[0], words[1], words[2], n > 3 ? ", " : "", n > 3 ? words[3] : "");
}

int command_style_parse(const char *word, enum command_style *out, struct bl_err *err)
{
	size_t i = 0;

	if (word_index("hyperparameters_as", word, style_words, BL_COUNT(style_words), &i, err))
		return -1;
	*out = (enum command_style)i;
	return 0;
}

int command_launcher_parse(const char *word, enum command_launcher *out, struct bl_err *err)
{
	size_t i = 0;

	if (word_index("launcher", word, launcher_words, BL_COUNT(launcher_words), &i, err))
		return -1;
	*out = (enum command_launcher)i;
	return 0;
}

int command_decode_texts(const struct bl_value *texts, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE made = bl_value_new(BL_MAP);

	if (!made)
		return bl_fail(err, BL_ENOMEM, "hyperparameters: out of memory");
	for (size_t i = 0; i < texts->n; i++) {
		const struct bl_value *from = texts->items[i];
		struct bl_value *value = NULL;
		struct bl_err no_json = { 0 };

		if (from->type == BL_STRING &&
		    bl_json_parse(from->text, strlen(from->text), from->key, &value, &no_json) &&
		    no_json.code == BL_ENOMEM)
			return bl_fail(err, BL_ENOMEM, "hyperparameters: out of memory");
		if (!value && bl_value_copy(from, &value, err))
			return -1;
		if (bl_value_set(made, from->key, value, err))
			return -1;
	}
	*out = made;
	made = NULL;
	return 0;
}
