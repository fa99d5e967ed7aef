/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways through the scanner agree, and what it gives lies where it should. */
#include "codec/jsonl.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *text;
	size_t len;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int check_member(void *arg, const struct bl_member *member)
{
	const struct input *input = arg;

	must(member->text >= input->text &&
	     member->text + member->text_len <= input->text + input->len);
	must(bl_utf8_valid(member->key, member->key_len) == member->key_len);
	return 0;
}

static int check_item(void *arg, const char *item, size_t len)
{
	const struct input *input = arg;
	struct bl_json_fault fault;

	must(item >= input->text && item + len <= input->text + input->len);
	must(!bl_json_check(item, len, &fault));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	struct bl_json_fault fault = { 0 }, other = { 0 };
	size_t space = 0;
	int good, members;

	good = bl_json_check(input.text, size, &fault);
	must(!good || (fault.reason && fault.offset <= size));
	members = bl_json_members(input.text, size, false, check_member, &input, &other);
	must(!members || (other.reason && other.offset <= size));
	while (space < size && strchr(" \t\r\n", input.text[space]) && input.text[space])
		space++;
	if (space < size && input.text[space] == '{')
		must(good == members && fault.offset == other.offset);
	else
		must(members == -1);
	if (!bl_json_members(input.text, size, true, check_member, &input, &other))
		must(!good || strstr(fault.reason, "NaN"));
	/* a list may nest two deeper here than in the whole, so that only this way round holds */
	if (!good && !members)
		must(!bl_json_items(input.text, size, "log", false, check_item, &input, &other));
	return 0;
}
