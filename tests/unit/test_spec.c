/* SPDX-License-Identifier: Apache-2.0 */
#include "run/spec.h"

#include "codec/json.h"
#include "run/run.h"
#include "tests/unit/failalloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080302Z-1a2b3c4d-aaaa"

static const struct bl_spec_channel channels[] = {
	{ "train", "file:///d/train", "aa", 2, 100, 7 },
	{ "eval", "file:///d/eval", "bb", 1, 10, 1 },
};

static void must(int rc, const struct bl_err *err)
{
	if (rc)
		fail_msg("%d: %s", err->code, err->text);
}

static void digest_of(const struct bl_spec_channel *list, size_t n, char hex[BL_SHA256_HEX])
{
	struct bl_err err = { 0 };

	must(bl_spec_data_digest(list, n, hex, &err), &err);
}

static void the_data_digest_ignores_order_and_sees_the_rest(void **state)
{
	struct bl_spec_channel turned[] = { channels[1], channels[0] };
	struct bl_spec_channel other[] = { channels[0], channels[1] };
	char a[BL_SHA256_HEX], b[BL_SHA256_HEX], c[BL_SHA256_HEX], none[BL_SHA256_HEX];

	(void)state;
	other[1].digest = "bc";
	digest_of(channels, 2, a);
	digest_of(turned, 2, b);
	digest_of(other, 2, c);
	digest_of(NULL, 0, none);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_string_not_equal(a, none);
}

static const char yaml[] = "version: 1\n"
			   "command: [train, --fast]\n"
			   "hyperparameters: {lr: 0.5}\n"
			   "max_runtime: 2h\n";

static const struct bl_spec_type types[] = { { "g6.xlarge", "lt-1" }, { "g5.xlarge", "lt-1" } };

static const struct bl_spec_cloud cloud = {
	.repository_id = "4711",
	.labeller = "ada",
	.base_sha = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	.pr = 12,
	.image = "host/demo@sha256:ab",
	.image_digest = "sha256:ab",
	.image_cuda = "12.4",
	.stack = "branchline",
	.region = "us-east-1",
	.market = "spot",
	.launch_key = "0123456789abcdef0123456789abcdef",
	.types = types,
	.n_types = 2,
	.host_sha256 = "cc",
	.actions_url = "https://github.com/o/n/actions/runs/1",
	.usd_hour_low = 0.2,
	.usd_hour_high = 0.5,
	.disk_usd_hour = (double)NAN,
	.usd_max = 3,
};

static int write_spec(const struct bl_spec_cloud *with, struct bl_buf *out, struct bl_err *err)
{
	static const struct bl_git git = { .found = true,
		                           .sha = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
		                           .branch = "main",
		                           .dirty = true };
	struct bl_config_input input = { .bytes = yaml, .len = strlen(yaml), .file = "y" };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_spec_parent parent = { "20261124T080301Z-1a2b3c4d-q7xk", "runs/R/c.json", "crc" };
	struct bl_spec spec = {
		.run = RUN,
		.nonce = "nnnn",
		.kind = "local",
		.created_ms = 1795507381000,
		.actor = "me",
		.config = &config,
		.git = &git,
		.repo_key = "0123456789abcdef",
		.repo_name = "host/owner/name",
		.patch_key = "runs/R/patch.diff",
		.patch_sha256 = "ee",
		.channels = channels,
		.n_channels = 2,
		.data_digest = "dd",
		.parents = &parent,
		.n_parents = 1,
		.engine = "process",
		.root = "/r",
		.cwd = "/r/w",
		.cloud = with,
	};

	if (bl_config_resolve(&input, &config, err))
		return -1;
	bl_spec_write(&spec, out);
	return bl_buf_check(out, "run.json", err);
}

static void the_document_holds_what_decides_the_run(void **state)
{
	static const struct {
		const char *path, *text;
	} table[] = {
		{ "run", RUN },
		{ "created_at", "2026-11-24T08:03:01Z" },
		{ "git.head", "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d" },
		{ "git.patch_sha256", "ee" },
		{ "repository.name", "host/owner/name" },
		{ "data.channels.train.uri", "file:///d/train" },
		{ "config.max_runtime", "2h" },
		{ "place.cwd", "/r/w" },
		{ "versions.branchline", BL_VERSION },
	};
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	struct bl_err err = { 0 };
	BL_VALUE doc = NULL;

	(void)state;
	must(write_spec(NULL, &text, &err), &err);
	must(bl_json_document(bl_buf_text(&text), text.len, "run.json", 1, &doc, &err), &err);
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_string_equal(bl_value_text_or(doc, table[i].path, "absent"), table[i].text);
	assert_int_equal(bl_value_int_or(doc, "limits.max_runtime_ms", 0), 7200000);
	assert_int_equal(bl_value_int_or(doc, "data.channels.train.records", 0), 7);
	assert_int_equal(bl_value_get(doc, "parents")->n, 1);
	assert_true(bl_value_bool_or(doc, "git.dirty", false));
}

static void a_launched_run_says_what_may_be_bought(void **state)
{
	static const struct {
		const char *path, *text;
	} table[] = {
		{ "kind", "local" },
		{ "repository.id", "4711" },
		{ "labeller", "ada" },
		{ "git.base", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" },
		{ "image.digest", "sha256:ab" },
		{ "image.cuda", "12.4" },
		{ "image.base_digest", "null" },
		{ "compute.market", "spot" },
		{ "compute.launch_key", "0123456789abcdef0123456789abcdef" },
		{ "versions.host_sha256", "cc" },
		{ "actions.url", "https://github.com/o/n/actions/runs/1" },
	};
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	BL_AUTO(bl_run) run = { 0 };
	struct bl_err err = { 0 };
	BL_VALUE doc = NULL;

	(void)state;
	must(write_spec(&cloud, &text, &err), &err);
	must(bl_json_document(bl_buf_text(&text), text.len, "run.json", 1, &doc, &err), &err);
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_string_equal(bl_value_text_or(doc, table[i].path, "null"), table[i].text);
	assert_int_equal(bl_value_int_or(doc, "pr", 0), 12);
	assert_int_equal(bl_value_path(doc, "compute.types")->n, 2);
	assert_int_equal(bl_value_path(doc, "compute.estimate.disk_usd_hour")->type, BL_NULL);
	assert_true(bl_value_real_or(doc, "compute.estimate.usd_max", 0) > 2.9);
	must(bl_run_parse(bl_buf_text(&text), text.len, RUN, &run, &err), &err);
	assert_int_equal(run.pr, 12);
	assert_string_equal(run.base, cloud.base_sha);
	assert_int_equal(bl_run_parse("{", 1, RUN, &run, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	bl_buf_reset(&text);
	must(write_spec(NULL, &text, &err), &err);
	assert_null(strstr(bl_buf_text(&text), "\"compute\""));
	assert_null(strstr(bl_buf_text(&text), "\"labeller\""));
}

static int story(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	char hex[BL_SHA256_HEX];

	if (bl_spec_data_digest(channels, 2, hex, err))
		return -1;
	return write_spec(&cloud, &text, err);
}

static void allocations_fail_cleanly(void **state)
{
	char hex[BL_SHA256_HEX];

	(void)state;
	digest_of(channels, 2, hex); /* libcrypto's one-time set-up */
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_data_digest_ignores_order_and_sees_the_rest),
		cmocka_unit_test(the_document_holds_what_decides_the_run),
		cmocka_unit_test(a_launched_run_says_what_may_be_bought),
		cmocka_unit_test(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
