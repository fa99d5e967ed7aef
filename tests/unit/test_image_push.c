/* SPDX-License-Identifier: Apache-2.0 */
/* Images from place to place, in OCI layouts; registries are for tests/e2e. */
#include "run/image.h"
#include "run/image_base.h"
#include "run/image_blobs.h"
#include "run/image_inputs.h"

#include "codec/json.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] =
	"version: 1\ncommand: [python3, t.py]\nhyperparameters: {lr: 0.1}\nworkdir: src\n"
	"env: {A: b}\ncheckpoints: {keep: 3}\n";

static struct bl_config config;
static struct bl_git_tree *tree;
static struct bl_git_commit commit;

static struct bl_place *open_place(const char *name, const char *tag, bool create,
                                   struct bl_image_ref *ref)
{
	const struct bl_place_options options = { .create = create };
	struct bl_place *place = NULL;
	struct bl_err err = { 0 };
	char text[400];

	snprintf(text, sizeof(text), "oci:%s%s%s", folder_path(name), tag ? ":" : "",
	         tag ? tag : "");
	if (bl_place_open(text, &options, &place, ref, &err))
		fail_msg("%s", err.text);
	return place;
}

static struct bl_oci_desc put_blob(struct bl_place *place, const char *type, const char *text)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(1u << 20);
	struct bl_blob_source source = bl_blob_of_buf(&bytes);
	struct bl_oci_desc desc = { .size = strlen(text) };
	struct bl_err err = { 0 };

	bl_buf_adds(&bytes, text);
	snprintf(desc.media_type, sizeof(desc.media_type), "%s", type);
	assert_int_equal(bl_digest_of(text, strlen(text), desc.digest, &err), 0);
	if (bl_place_put_blob(place, &desc, &source, NULL, &err))
		fail_msg("%s", err.text);
	return desc;
}

/* FOLDER/base: an image of one layer, which is no tar: nobody here unpacks it. */
static void make_base(const char *layer_text)
{
	struct bl_image_ref ref;
	BL_PLACE place = open_place("base", NULL, true, &ref);
	struct bl_oci_desc layer = put_blob(place, BL_OCI_LAYER_GZIP, layer_text), made;
	char text[600];
	struct bl_oci_desc desc = { .media_type = BL_OCI_MANIFEST };
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_err err = { 0 };

	snprintf(text, sizeof(text),
	         "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"%s\"]}}",
	         layer.digest);
	made = put_blob(place, BL_OCI_CONFIG, text);
	assert_int_equal(bl_oci_manifest_write(&made, &layer, 1, NULL, 0, &out, &err), 0);
	desc.size = out.len;
	assert_int_equal(bl_digest_of(out.data, out.len, desc.digest, &err), 0);
	assert_int_equal(bl_place_put_manifest(place, "base", out.data, &desc, &err), 0);
}

static int set_up(void **state)
{
	const struct bl_config_input input = { .bytes = config_text,
		                               .len = strlen(config_text),
		                               .file = "f" };
	struct bl_err err = { 0 };

	if (folder_make(state))
		return -1;
	put_text("r/branchline.yaml", config_text);
	put_text("r/src/t.py", "print(1)\n");
	put_text("bin/branchline-runner", "\177ELF and so on");
	REPO_GIT(folder_path("r"), "init", "-q", "-b", "main");
	REPO_GIT(folder_path("r"), "remote", "add", "origin", "git@h.example:o/n.git");
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "one");
	make_base("the base's layer");
	if (bl_config_resolve(&input, &config, &err) ||
	    bl_git_tree_open(folder_path("r"), "HEAD", &tree, &commit, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int tear_down(void **state)
{
	bl_git_tree_close(tree);
	bl_config_done(&config);
	return folder_drop(state);
}

static int push_to(struct bl_place *base, const struct bl_image_ref *base_ref,
                   struct bl_place *target, const char *tag, struct bl_image *out,
                   struct bl_err *err)
{
	const char *tags[] = { tag };

	return bl_image_push(
		&(struct bl_image_options){
			.tree = tree,
			.commit = &commit,
			.config = &config,
			.base = base,
			.target = target,
			.base_ref = base_ref,
			.tags = tags,
			.n_tags = tag ? 1 : 0,
			.platform = "linux/amd64",
			.runner_folder = folder_path("bin"),
			.at_once = 3,
		},
		out, err);
}

static void a_second_push_finds_the_first(void **state)
{
	struct bl_image_ref ref, to;
	BL_PLACE base = open_place("base", "base", false, &ref);
	BL_PLACE target = open_place("out", NULL, true, &to);
	BL_AUTO(bl_image) first = { 0 };
	BL_AUTO(bl_image) again = { 0 };
	struct bl_oci_desc tagged;
	struct bl_err err = { 0 };

	(void)state;
	if (push_to(base, &ref, target, NULL, &first, &err))
		fail_msg("%s", err.text);
	assert_int_equal(first.n_pieces, 4);
	for (size_t i = 0; i < first.n_pieces; i++)
		assert_int_equal(first.pieces[i].how, BL_IMAGE_SENT);
	assert_int_equal(push_to(base, &ref, target, "v1", &again, &err), 0);
	assert_true(again.unchanged && !again.n_pieces && !again.pushed_bytes);
	assert_string_equal(again.digest, first.digest);
	assert_string_equal(again.base_digest, first.base_digest);
	/* a tag that is asked for beside it is written all the same */
	assert_int_equal(bl_place_head_manifest(target, "v1", &tagged, &err), 0);
	assert_string_equal(tagged.digest, first.digest);
}

static void another_base_is_another_image(void **state)
{
	struct bl_image_ref ref, to;
	BL_PLACE target = open_place("out", NULL, true, &to);
	BL_AUTO(bl_image) first = { 0 };
	BL_AUTO(bl_image) second = { 0 };
	struct bl_err err = { 0 };
	BL_PLACE base = open_place("base", "base", false, &ref);

	(void)state;
	assert_int_equal(push_to(base, &ref, target, NULL, &first, &err), 0);
	make_base("another layer under the same tag");
	assert_int_equal(push_to(base, &ref, target, NULL, &second, &err), 0);
	assert_false(second.unchanged);
	assert_string_not_equal(first.base_digest, second.base_digest);
	assert_string_equal(first.pieces[2].blob.digest, second.pieces[2].blob.digest);
	assert_int_equal(second.pieces[0].how, BL_IMAGE_SENT);
	assert_int_equal(second.pieces[1].how, BL_IMAGE_THERE);
	assert_int_equal(second.pieces[2].how, BL_IMAGE_THERE);
}

static void a_base_that_is_not_there_is_named(void **state)
{
	struct bl_image_ref ref, to;
	BL_PLACE base = open_place("base", "nowhere", false, &ref);
	BL_PLACE target = open_place("out", NULL, true, &to);
	BL_AUTO(bl_image) image = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(push_to(base, &ref, target, NULL, &image, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "base image"));
	assert_non_null(strstr(err.text, "nowhere"));
}

static void a_whole_image_is_copied_to_the_byte(void **state)
{
	struct bl_image_ref ref, to;
	BL_PLACE base = open_place("base", "base", false, &ref);
	BL_PLACE target = open_place("copy", NULL, true, &to);
	const struct bl_image_copy copy = { .from = base,
		                            .reference = "base",
		                            .platform = "linux/amd64",
		                            .to = target,
		                            .tag = "x" };
	struct bl_oci_desc was, is;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_image_copy(&copy, &err), 0);
	assert_int_equal(bl_place_head_manifest(base, "base", &was, &err), 0);
	assert_int_equal(bl_place_head_manifest(target, "x", &is, &err), 0);
	assert_string_equal(was.digest, is.digest);
}

/* What is not asked for, but stopped, begins no other blob. */
static void the_first_failure_stops_the_rest(void **state)
{
	struct bl_image_ref to;
	BL_PLACE target = open_place("out", NULL, true, &to);
	BL_AUTO(bl_buf) text = BL_BUF(100);
	struct bl_image_piece pieces[5];
	struct bl_image_job jobs[5];
	struct bl_err err = { 0 };
	atomic_bool stop = false;
	const struct bl_image_jobs all = {
		.jobs = jobs, .n = 5, .target = target, .at_once = 1, .stop = &stop
	};
	bool has = true;

	(void)state;
	bl_buf_adds(&text, "bytes");
	for (size_t i = 0; i < 5; i++) {
		pieces[i] = (struct bl_image_piece){ .blob = { BL_OCI_LAYER_GZIP, "", 5 } };
		assert_int_equal(
			bl_digest_of(i == 1 ? "other" : "bytes", 5, pieces[i].blob.digest, &err),
			0);
		jobs[i] = (struct bl_image_job){ .piece = &pieces[i],
			                         .source = bl_blob_of_buf(&text) };
	}
	assert_int_equal(bl_image_put_blobs(&all, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_true(atomic_load(&stop));
	assert_int_equal(pieces[0].how, BL_IMAGE_SENT);
	bl_err_clear(&err);
	assert_int_equal(bl_place_has_blob(target, &pieces[1].blob, &has, &err), 0);
	assert_false(has);
}

/* --- Pure ------------------------------------------------------------------------------------- */

static void exec_json_has_what_exec_reads(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(1u << 20);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_image_exec_json(&config, &out, &err), 0);
	assert_string_equal(
		bl_buf_text(&out),
		"{\"schema\":1,\"command\":[\"python3\",\"t.py\"],"
		"\"hyperparameters\":{\"lr\":0.1},\"hyperparameters_as\":\"flags\","
		"\"launcher\":\"none\",\"gpus\":1,\"env\":{\"A\":\"b\"},"
		"\"workdir\":\"src\",\"grace_ms\":100000,\"max_log_bytes\":2147483648}");
}

/* Each input by itself makes another hash; all the same, the same. */
static void every_input_counts(void **state)
{
	const struct bl_image_inputs plain = { .base_digest = "d",
		                               .base_name = "n",
		                               .platform = "p",
		                               .sha = "s",
		                               .tree = "t",
		                               .context = ".",
		                               .exec_json = "{}",
		                               .exec_json_len = 2,
		                               .runner_digest = "r" };
	struct bl_image_inputs all[11];
	char hex[11][BL_SHA256_HEX];
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(all); i++)
		all[i] = plain;
	all[1].base_digest = "x";
	all[2].base_name = "x";
	all[3].base_from = "x";
	all[4].platform = "x";
	all[5].sha = "x";
	all[6].tree = "x";
	all[7].context = "x";
	all[8].source = "x";
	all[9].exec_json = "{x";
	all[10].baked = true;
	for (size_t i = 0; i < BL_COUNT(all); i++)
		assert_int_equal(bl_image_inputs_hash(&all[i], hex[i], &err), 0);
	for (size_t i = 0; i < BL_COUNT(all); i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(hex[i], hex[k]);
	assert_int_equal(bl_image_inputs_hash(&plain, hex[1], &err), 0);
	assert_string_equal(hex[0], hex[1]);
}

static void the_source_is_the_same_however_it_was_cloned(void **state)
{
	static const char *const same[] = { "git@h.example:o/n.git", "https://h.example/o/n",
		                            "ssh://git@H.example:22/o/n.git" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(same); i++) {
		struct bl_git_commit one = { 0 };
		BL_AUTO(bl_buf) out = BL_BUF(1024);

		snprintf(one.remote, sizeof(one.remote), "%s", same[i]);
		bl_image_source(&one, &out);
		assert_string_equal(bl_buf_text(&out), "https://h.example/o/n");
	}
}

static void pull_requests_write_what_main_never_reads(void **state)
{
	struct bl_base_tags tags;

	(void)state;
	bl_base_tags("0123456789abcdef", true, &tags);
	assert_string_equal(tags.read[0], "base-0123456789abcdef");
	assert_string_equal(tags.read[1], "");
	assert_string_equal(tags.write, "base-0123456789abcdef");
	bl_base_tags("0123456789abcdef", false, &tags);
	assert_string_equal(tags.read[0], "base-0123456789abcdef");
	assert_string_equal(tags.read[1], "base-pr-0123456789abcdef");
	assert_string_equal(tags.write, "base-pr-0123456789abcdef");
}

static void a_base_has_to_be_named(void **state)
{
	const struct bl_place_options places = { 0 };
	const struct bl_base_options options = { .config = &config, .places = &places };
	BL_AUTO(bl_base) base = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_base_get(&options, &base, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.next, "--image-base"));
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int story(struct bl_err *err)
{
	const struct bl_place_options options = { .create = true };
	struct bl_image_ref ref, to;
	BL_PLACE base = NULL;
	BL_PLACE target = NULL;
	BL_AUTO(bl_image) image = { 0 };
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	struct bl_oci_desc desc;
	char text[400], name[400];

	snprintf(name, sizeof(name), "oci:%s:base", folder_path("base"));
	snprintf(text, sizeof(text), "oci:%s", folder_path("memory"));
	unlinkat(folder_fd, "memory/index.json", 0); /* everything is made anew but the blobs */
	if (bl_place_open(name, &options, &base, &ref, err) ||
	    bl_place_open(text, &options, &target, &to, err) ||
	    bl_place_get_manifest(base, "base", &bytes, &desc, err) ||
	    bl_image_manifest_for(base, "linux/amd64", &bytes, &desc, &manifest, err))
		return -1;
	return push_to(base, &ref, target, "t", &image, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 6000);
}

#define IN_REPO(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPO(a_second_push_finds_the_first),
		IN_REPO(another_base_is_another_image),
		IN_REPO(a_base_that_is_not_there_is_named),
		IN_REPO(a_whole_image_is_copied_to_the_byte),
		IN_REPO(the_first_failure_stops_the_rest),
		IN_REPO(exec_json_has_what_exec_reads),
		cmocka_unit_test(every_input_counts),
		cmocka_unit_test(the_source_is_the_same_however_it_was_cloned),
		cmocka_unit_test(pull_requests_write_what_main_never_reads),
		IN_REPO(a_base_has_to_be_named),
		IN_REPO(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
