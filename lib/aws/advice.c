/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/advice.h"

#include "aws/advice_table.h"
#include "base/buf.h"

#include <stdbool.h>
#include <string.h>

#define ADVICE_MAX_BYTES 250 /* of err->next */
#define NAME_MAX_BYTES 200

enum { BUCKET, KEY, REGION, ROLE, ACTION, POLICY, NAMES };

/* Placeholders, and what is written where what they stand for is not known or does not fit. */
static const struct {
	char name[8], otherwise[24];
} holders[NAMES] = {
	[BUCKET] = { "bucket", "BUCKET" },     [KEY] = { "key", "KEY" },
	[REGION] = { "region", "the region" }, [ROLE] = { "role", "the role" },
	[ACTION] = { "action", "the action" }, [POLICY] = { "policy", "policy that holds it" },
};

/* What a placeholder stands for; "": not known. */
struct name {
	char text[NAME_MAX_BYTES + 1];
};

static const char *known(const char *text)
{
	return text ? text : "";
}

/* A name as a shell takes it; "" when it is long, or would break the line. */
static void quote(const char *text, size_t len, char out[NAME_MAX_BYTES + 1])
{
	BL_AUTO(bl_buf) quoted = BL_BUF(NAME_MAX_BYTES);
	bool plain = true;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			return;
		plain = plain && c < 0x80 &&
		        (strchr("-_./:=@%+,", c) || (c >= '0' && c <= '9') ||
		         ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
	}
	if (!plain)
		bl_buf_addc(&quoted, '\'');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\'')
			bl_buf_adds(&quoted, "'\\'");
		bl_buf_addc(&quoted, text[i]);
	}
	if (!plain)
		bl_buf_addc(&quoted, '\'');
	if (!quoted.failed && quoted.len)
		memcpy(out, quoted.data, quoted.len + 1);
}

/* The word of AWS's message after `before`, of [A-Za-z0-9:*-] and the characters of `also`. */
static void word_after(const char *message, const char *before, const char *also, struct name *name)
{
	const char *from = strstr(message, before);
	size_t len = 0;

	if (!from)
		return;
	from += strlen(before);
	while (from[len] && (strchr("*:-", from[len]) || strchr(also, from[len]) ||
	                     (from[len] >= '0' && from[len] <= '9') ||
	                     ((from[len] | 0x20) >= 'a' && (from[len] | 0x20) <= 'z')))
		len++;
	while (len && from[len - 1] == ' ')
		len--;
	if (!len || len > 64)
		return;
	memcpy(name->text, from, len);
	name->text[len] = '\0';
}

static void find_names(const struct bl_refusal *refusal, struct name names[NAMES])
{
	const char *resource = known(refusal->resource), *region = known(refusal->region);
	const char *message = known(refusal->message);
	size_t len = strcspn(resource, "/");

	quote(region, strlen(region), names[REGION].text);
	word_after(message, "perform: ", "", &names[ACTION]);
	word_after(message, "explicit deny in a ", " ", &names[POLICY]);
	word_after(message, "explicit deny in an ", " ", &names[POLICY]);
	if (strcmp(known(refusal->service), "s3")) {
		quote(resource, strlen(resource), names[ROLE].text);
		return;
	}
	quote(resource, len, names[BUCKET].text);
	if (resource[len])
		quote(resource + len + 1, strlen(resource + len + 1), names[KEY].text);
}

/* Appends the text with its placeholders filled; names NULL: by what stands for them. */
static void fill(const char *text, const struct name *names, struct bl_buf *out)
{
	for (; *text; text++) {
		size_t i = 0, len = *text == '{' ? strcspn(text, "}") : 0;

		while (len && i < NAMES &&
		       (strlen(holders[i].name) != len - 1 ||
		        memcmp(holders[i].name, text + 1, len - 1) != 0))
			i++;
		if (!len || i == NAMES) {
			bl_buf_addc(out, *text);
			continue;
		}
		bl_buf_adds(out, names && names[i].text[0] ? names[i].text : holders[i].otherwise);
		text += len;
	}
}

static bool is_one_of(const char *words, const char *word)
{
	size_t word_len = strlen(word);

	for (;;) {
		size_t len = strcspn(words, " ");
		bool prefix = len && words[len - 1] == '*';

		if (prefix ? !strncmp(words, word, len - 1)
		           : len == word_len && !memcmp(words, word, len))
			return true;
		if (!words[len])
			return false;
		words += len + 1;
	}
}

/* The reply to HEAD has no body, and so no code. */
static const char *code_of(const struct bl_refusal *refusal)
{
	const char *code = known(refusal->code);

	if (*code)
		return code;
	switch (refusal->status) {
	case 301:
		return "PermanentRedirect";
	case 403:
		return "AccessDenied";
	case 404:
		return strcmp(known(refusal->operation), "HeadBucket") ? "NoSuchKey"
		                                                       : "NoSuchBucket";
	case 405:
		return "MethodNotAllowed";
	case 412:
		return "PreconditionFailed";
	case 429:
		return "Throttling";
	case 501:
		return "NotImplemented";
	default:
		return refusal->status >= 500 ? "ServiceUnavailable" : "";
	}
}

static bool matches(const struct advice *row, const struct bl_refusal *refusal, const char *code)
{
	return is_one_of(row->codes, code) &&
	       (!row->service || !strcmp(row->service, known(refusal->service))) &&
	       (!row->operations || is_one_of(row->operations, known(refusal->operation))) &&
	       (!row->message || strstr(known(refusal->message), row->message));
}

void bl_advise(const struct bl_refusal *refusal, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(ADVICE_MAX_BYTES);
	const char *code = code_of(refusal);
	const struct advice *row = advice_table;
	struct name names[NAMES] = { 0 };

	while (row < advice_table + advice_count && !matches(row, refusal, code))
		row++;
	if (row == advice_table + advice_count)
		return;
	find_names(refusal, names);
	fill(row->text, names, &text);
	if (text.failed == BL_ELIMIT) {
		bl_buf_reset(&text);
		fill(row->text, NULL, &text);
	}
	if (!text.failed)
		bl_next(err, "%s", bl_buf_text(&text));
}
