/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/doctor.h"
#include "base/log.h"
#include "codec/json.h"

#include <string.h>

#define STATE_COLUMNS 7
#define TITLE_COLUMNS 26
#define COMMAND_INDENT 4
#define INDENT (2 + STATE_COLUMNS + 2 + TITLE_COLUMNS + 2)

static const struct look {
	const char *word, *colour;
} looks[] = {
	[BL_CHECK_OK] = { "ok", "\x1b[32m" },
	[BL_CHECK_SKIPPED] = { "skipped", "\x1b[2m" },
	[BL_CHECK_WARN] = { "warn", "\x1b[33m" },
	[BL_CHECK_FAIL] = { "FAIL", "\x1b[31;1m" },
};

static size_t columns_of(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* From column `at`, broken at blanks, further lines indented; a long word stays whole. */
static void add_wrapped(struct bl_buf *out, const char *text, size_t at, size_t indent,
                        size_t columns)
{
	BL_AUTO(bl_buf) plain = BL_BUF(4096);
	const char *p;
	bool first = true;

	bl_log_add_text(&plain, text);
	for (p = bl_buf_text(&plain); *p;) {
		size_t len = strcspn(p, " "), wide = columns_of(p, len);

		if (!first && at + 1 + wide > columns) {
			bl_buf_addf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			bl_buf_addc(out, ' ');
			at++;
		}
		bl_buf_add(out, p, len);
		at += wide;
		first = false;
		p += len;
		p += *p == ' ';
	}
	bl_buf_addc(out, '\n');
}

/* "create it: aws iam ...": where the command begins; NULL: there is none. */
static const char *command_in(const char *text)
{
	static const char *const words[] = { ": aws ", ": gh " };
	const char *found = NULL;

	for (size_t i = 0; i < BL_COUNT(words) && !found; i++)
		found = strstr(text, words[i]);
	return found ? found + 2 : NULL;
}

/* A command is to be copied: it has a line of its own, however long. */
static void add_advice(struct bl_buf *out, const char *text, size_t at, size_t indent,
                       size_t columns)
{
	const char *command = command_in(text);
	BL_AUTO(bl_buf) before = BL_BUF(1024);

	if (!command) {
		add_wrapped(out, text, at, indent, columns);
		return;
	}
	bl_buf_add(&before, text, (size_t)(command - text) - 1);
	add_wrapped(out, bl_buf_text(&before), at, indent, columns);
	bl_buf_addf(out, "%*s", COMMAND_INDENT, "");
	bl_log_add_text(out, command);
	bl_buf_addc(out, '\n');
}

static void add_check(struct bl_buf *out, const struct bl_check *check, bool colour, size_t columns)
{
	const struct look *look = &looks[check->state];

	bl_buf_addf(out, "  %s%-*s%s  %-*s  ", colour ? look->colour : "", STATE_COLUMNS,
	            look->word, colour ? "\x1b[0m" : "", TITLE_COLUMNS,
	            bl_checkup_title(check->what));
	add_wrapped(out, check->seen, INDENT, INDENT, columns);
	if (!check->next[0] || check->state == BL_CHECK_OK)
		return;
	bl_buf_addf(out, "%*s-> ", INDENT, "");
	add_advice(out, check->next, INDENT + 3, INDENT + 3, columns);
}

/* --- The last line ---------------------------------------------------------------------------- */

static const struct bl_check *first_of(const struct bl_checks *checks, enum bl_check_state state)
{
	for (size_t i = 0; i < checks->n; i++)
		if (checks->items[i].state == state)
			return &checks->items[i];
	return NULL;
}

static size_t count(const struct bl_checks *checks, enum bl_check_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < checks->n; i++)
		n += checks->items[i].state == state;
	return n;
}

static void add_end(struct bl_buf *out, const struct doctor *doctor, size_t columns)
{
	const struct bl_check *fail = first_of(&doctor->checks, BL_CHECK_FAIL);
	const struct bl_check *warn = first_of(&doctor->checks, BL_CHECK_WARN);
	const struct bl_check *first = fail ? fail : warn;
	BL_AUTO(bl_buf) line = BL_BUF(2048);

	bl_buf_addf(out, "\n%zu ok, %zu warned, %zu failed, %zu skipped\n",
	            count(&doctor->checks, BL_CHECK_OK), count(&doctor->checks, BL_CHECK_WARN),
	            count(&doctor->checks, BL_CHECK_FAIL),
	            count(&doctor->checks, BL_CHECK_SKIPPED));
	if (!first)
		bl_buf_addf(&line, "All is well: add the label `%s` to a pull request.",
		            doctor->has_config ? bl_config_text(&doctor->config, "label")
		                               : "train");
	else
		bl_buf_addf(&line, "%s %s: %s", fail ? "Do first:" : "A run would start. Look at",
		            bl_checkup_title(first->what),
		            first->next[0] ? first->next : first->seen);
	add_advice(out, bl_buf_text(&line), 0, 2, columns);
}

void doctor_show_text(const struct doctor *doctor, bool colour, unsigned columns,
                      struct bl_buf *out)
{
	size_t wide = columns < 72 ? 72 : columns > 140 ? 140 : columns;

	for (size_t i = 0; i < doctor->n_groups; i++) {
		size_t to =
			i + 1 < doctor->n_groups ? doctor->groups[i + 1].from : doctor->checks.n;

		if (doctor->groups[i].from == to)
			continue;
		bl_buf_addf(out, "%s%s%s%s\n", i ? "\n" : "", colour ? "\x1b[1m" : "",
		            doctor->groups[i].name, colour ? "\x1b[0m" : "");
		for (size_t j = doctor->groups[i].from; j < to; j++)
			add_check(out, &doctor->checks.items[j], colour, wide);
	}
	add_end(out, doctor, wide);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static const char *group_of(const struct doctor *doctor, size_t check)
{
	const char *name = "";

	for (size_t i = 0; i < doctor->n_groups; i++)
		if (doctor->groups[i].from <= check)
			name = doctor->groups[i].name;
	return name;
}

void doctor_show_json(const struct doctor *doctor, struct bl_buf *out)
{
	const struct bl_check *first = first_of(&doctor->checks, BL_CHECK_FAIL);
	struct bl_json json = BL_JSON(out);

	json.indent = 2;
	bl_json_begin(&json, 1);
	bl_json_text(&json, "state", bl_check_state_name(bl_checks_worst(&doctor->checks)));
	bl_json_text(&json, "first", first ? bl_checkup_id(first->what) : NULL);
	bl_json_list(&json, "checks");
	for (size_t i = 0; i < doctor->checks.n; i++) {
		const struct bl_check *check = &doctor->checks.items[i];

		bl_json_map(&json, NULL);
		bl_json_text(&json, "id", bl_checkup_id(check->what));
		bl_json_text(&json, "group", group_of(doctor, i));
		bl_json_text(&json, "title", bl_checkup_title(check->what));
		bl_json_text(&json, "state", bl_check_state_name(check->state));
		bl_json_text(&json, "seen", check->seen);
		bl_json_text(&json, "next", check->next[0] ? check->next : NULL);
		bl_json_end_map(&json);
	}
	bl_json_end_list(&json);
	if (doctor->claims)
		bl_json_value(&json, "claims", doctor->claims);
	else
		bl_json_null(&json, "claims");
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
}
