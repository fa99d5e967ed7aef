/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/push-image/push_options.h"
#include "actions/push-image/push_show.h"

#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D "sha256:1111111111111111111111111111111111111111111111111111111111111111"

static struct bl_image_piece pieces[] = {
	{ BL_IMAGE_BASE, BL_IMAGE_THERE, { BL_OCI_LAYER_GZIP, D, 1u << 30 } },
	{ BL_IMAGE_BASE, BL_IMAGE_MOUNTED, { BL_OCI_LAYER_GZIP, D, 2048 } },
	{ BL_IMAGE_RUNNER, BL_IMAGE_THERE, { BL_OCI_LAYER_GZIP, D, 3u << 20 } },
	{ BL_IMAGE_CODE_PART, BL_IMAGE_SENT, { BL_OCI_LAYER_GZIP, D, 1000 } },
	{ BL_IMAGE_CONFIG, BL_IMAGE_SENT, { BL_OCI_CONFIG, D, 500 } },
};

static struct bl_image image = {
	.digest = D, .base_digest = D, .pieces = pieces, .n_pieces = BL_COUNT(pieces)
};

static struct pushed pushed = {
	.image = &image,
	.name = "h/r@" D,
	.sha = "1234567890abcdef1234567890abcdef12345678",
	.base = "h/base@" D,
	.requests = 11,
	.sent_bytes = 3000,
	.seconds = 0.0449,
};

static void the_line_says_what_it_took(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_image same = { .digest = D, .unchanged = true };
	struct pushed again = pushed;

	(void)state;
	push_show_line(&pushed, &out);
	assert_string_equal(bl_buf_text(&out),
	                    "1234567890ab pushed: 2.9 KiB in 0.04 s, 11 requests; "
	                    "layers: 1 sent, 1 mounted, 2 there");
	bl_buf_reset(&out);
	again.image = &same;
	again.requests = 1;
	again.sent_bytes = 0;
	push_show_line(&again, &out);
	assert_string_equal(bl_buf_text(&out), "1234567890ab was there: 0 B in 0.04 s, 1 request");
}

static void the_table_has_a_row_for_each_layer(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(16384);

	(void)state;
	push_show_table(&pushed, &out);
	assert_string_equal(bl_buf_text(&out),
	                    "### Image pushed\n\n`h/r@" D "`\n\nBase `h/base@" D
	                    "`. 2.9 KiB sent in 0.04 s by 11 requests.\n\n"
	                    "| layer | digest | size | |\n|---|---|---:|---|\n"
	                    "| base | `sha256:111111111111` | 1.0 GiB | there |\n"
	                    "| base | `sha256:111111111111` | 2.0 KiB | mounted |\n"
	                    "| runner | `sha256:111111111111` | 3.0 MiB | there |\n"
	                    "| code | `sha256:111111111111` | 1000 B | sent |\n"
	                    "| config | `sha256:111111111111` | 500 B | sent |\n");
}

static void the_json_is_whole(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(16384);
	struct bl_err err = { 0 };
	BL_VALUE doc = NULL;

	(void)state;
	push_show_json(&pushed, &out);
	assert_int_equal(bl_json_document(bl_buf_text(&out), out.len, "x", 1, &doc, &err), 0);
	assert_string_equal(bl_value_text_or(doc, "image", ""), "h/r@" D);
	assert_int_equal(bl_value_int_or(doc, "pushed_bytes", 0), 3000);
	assert_int_equal(bl_value_get(doc, "layers")->n, 4);
}

static void tags_are_listed_and_checked(void **state)
{
	static const struct {
		const char *list, *of_to, *want;
	} table[] = {
		{ NULL, "", "one two" },
		{ "a, b\n\tc,,d ", "", "one two a b c d" },
		{ "", "latest", "one two latest" },
		{ "a b!", "", NULL },
		{ ".a", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct push_options opt = { .tags_text = table[i].list,
			                    .tags = { .texts = { "one", "two" }, .n = 2 } };
		BL_AUTO(bl_buf) text = BL_BUF(32768), got = BL_BUF(4096);
		const char *tags[PUSH_TAGS_MAX];
		struct bl_err err = { 0 };
		size_t n = 0;
		int rc = push_options_tags(&opt, table[i].of_to, &text, tags, &n, &err);

		if (!table[i].want) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.code, BL_EINPUT);
			continue;
		}
		assert_int_equal(rc, 0);
		for (size_t k = 0; k < n; k++)
			bl_buf_addf(&got, "%s%s", k ? " " : "", tags[k]);
		assert_string_equal(bl_buf_text(&got), table[i].want);
	}
}

static void options_that_cannot_be_are_refused(void **state)
{
	struct push_options good = { .to = "h/r" },
			    bad[] = { { 0 }, { .to = "h/r", .at_once = 17 } };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(push_options_check(&good, &err), 0);
	assert_string_equal(good.platform, "linux/amd64");
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		assert_int_equal(push_options_check(&bad[i], &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		bl_err_clear(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_says_what_it_took),
		cmocka_unit_test(the_table_has_a_row_for_each_layer),
		cmocka_unit_test(the_json_is_whole),
		cmocka_unit_test(tags_are_listed_and_checked),
		cmocka_unit_test(options_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
