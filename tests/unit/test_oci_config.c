/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/oci.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

static const struct bl_oci_layer added[] = {
	{ .diff_id = D2, .created_by = "one" },
	{ .diff_id = D3, .created_by = "two" },
};

static int change(const char *config, size_t base_layers, const char *platform, struct bl_buf *out,
                  struct bl_err *err)
{
	static const char *const entrypoint[] = { "/run", "exec", NULL };
	static const char *const labels[][2] = { { "a", "new" }, { "z", "1" } };
	const struct bl_oci_change how = {
		.platform = platform,
		.layers = added,
		.n_layers = BL_COUNT(added),
		.entrypoint = entrypoint,
		.workdir = "/w",
		.created = "2026-01-01T00:00:00Z",
		.labels = labels,
		.n_labels = BL_COUNT(labels),
	};

	return bl_oci_config_change(config, strlen(config), base_layers, &how, out, err);
}

static void a_config_keeps_what_is_not_changed(void **state)
{
	static const char before[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"x\":[1],\"container\":\"c\","
		"\"config\":{\"Env\":[\"A=b\"],\"User\":\"u\",\"Entrypoint\":[\"/old\"],"
		"\"Cmd\":[\"c\"],\"Healthcheck\":{},\"Labels\":{\"a\":\"old\",\"k\":\"kept\"}},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},"
		"\"history\":[{\"created_by\":\"b\"},{\"empty_layer\":true}]}";
	static const char after[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"x\":[1],"
		"\"config\":{\"Env\":[\"A=b\"],\"User\":\"u\","
		"\"Labels\":{\"a\":\"new\",\"k\":\"kept\",\"z\":\"1\"},"
		"\"Entrypoint\":[\"/run\",\"exec\"],\"WorkingDir\":\"/w\"},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\",\"" D2 "\",\"" D3 "\"]},"
		"\"history\":[{\"created_by\":\"b\"},{\"empty_layer\":true},"
		"{\"created\":\"2026-01-01T00:00:00Z\",\"created_by\":\"one\",\"comment\":"
		"\"branchline\"},"
		"{\"created\":\"2026-01-01T00:00:00Z\",\"created_by\":\"two\",\"comment\":"
		"\"branchline\"}],"
		"\"created\":\"2026-01-01T00:00:00Z\"}";
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_err err = { 0 };
	BL_VALUE want = NULL;
	BL_VALUE got = NULL;

	(void)state;
	if (change(before, 1, "linux/amd64", &out, &err))
		fail_msg("%s", err.text);
	assert_int_equal(bl_json_parse(after, strlen(after), "want", &want, &err), 0);
	assert_int_equal(bl_json_parse(bl_buf_text(&out), out.len, "got", &got, &err), 0);
	if (!bl_value_equal(want, got))
		fail_msg("%s", bl_buf_text(&out));
}

static void a_config_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *text, *platform;
		size_t layers;
		const char *why;
	} table[] = {
		{ "{\"os\":\"linux\",\"architecture\":\"arm64\",\"rootfs\":{\"diff_ids\":[]}}",
		  "linux/amd64", 0, "made for linux/arm64" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[]}}",
		  "linux/amd64", 3, "0 diff_ids for 3 layers" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":7}", "linux/amd64", 0,
		  "config: expected a map" },
		{ "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\",\"rootfs\":{}}",
		  "linux/arm/v6", 0, "made for linux/arm/v7" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd\",\"rootfs\":{}}", "linux/amd64", 0,
		  "made for linux/amd," },
		{ "{\"rootfs\":{}}", "linux/amd64", 0, "made for ?/?" },
		{ "[]", "linux/amd64", 0, "no map" },
		{ "{", "linux/amd64", 0, "config" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
		struct bl_err err = { 0 };

		assert_int_equal(
			change(table[i].text, table[i].layers, table[i].platform, &out, &err), -1);
		if (!strstr(err.text, table[i].why))
			fail_msg("%s: %s", table[i].text, err.text);
	}
}

static int story(struct bl_err *err)
{
	static const char config[] =
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"history\":[{}],"
		"\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}";
	BL_AUTO(bl_buf) changed = BL_BUF(BL_OCI_DOC_MAX);

	return change(config, 1, "linux/amd64", &changed, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_keeps_what_is_not_changed),
		cmocka_unit_test(a_config_that_does_not_fit_is_refused),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("oci config", tests, NULL, NULL);
}
