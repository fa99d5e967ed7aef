/* SPDX-License-Identifier: Apache-2.0 */
/* Each format's own rule of when an entry is whole. */
#include "run/complete.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void every_cut_of_a_zip_is_seen(void **state)
{
	BL_AUTO(bl_buf) whole = BL_BUF(65536);

	(void)state;
	zip_bytes(&whole, 'x', 300);
	put_zip("model.pt", 'x', 300);
	assert_int_equal(whole_of("model.pt"), BL_WHOLE_YES);
	for (size_t cut = 1; cut <= whole.len; cut++) {
		put_cut_zip("model.pt", 'x', 300, cut);
		/* a lone "P" may be anything */
		assert_int_equal(whole_of("model.pt"),
		                 cut == whole.len - 1 ? BL_WHOLE_FOREIGN : BL_WHOLE_NO);
	}
}

static void a_zip_is_known_by_its_bytes(void **state)
{
	static const struct {
		const char *path;
		const char *text;
		enum bl_whole want;
	} cases[] = {
		{ "legacy.pt", "\x80\x02}q", BL_WHOLE_FOREIGN },
		{ "empty.pt", "", BL_WHOLE_NO },
		{ "empty.pth", "", BL_WHOLE_NO },
		{ "empty.ckpt", "", BL_WHOLE_NO },
		{ "empty.json", "", BL_WHOLE_FOREIGN },
		{ "notes.txt", "PKI is short for", BL_WHOLE_FOREIGN },
		{ "cut.npz", "PK\3\4", BL_WHOLE_NO },
		{ "no-suffix", "PK\3\4 and more", BL_WHOLE_NO },
		{ "weights.h5", "\x89HDF", BL_WHOLE_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		put_text(cases[i].path, cases[i].text);
		if (whole_of(cases[i].path) != cases[i].want)
			fail_msg("%s", cases[i].path);
	}
}

/* The plain record, as zip(1) and numpy write it. */
static size_t plain_zip(unsigned char *out, unsigned directory_at, unsigned directory_bytes,
                        unsigned comment)
{
	size_t at = directory_at + directory_bytes;

	memset(out, 0, at + 22 + comment);
	memcpy(out + directory_at, "PK\1\2", 4);
	memcpy(out + at, "PK\5\6", 4);
	out[at + 8] = out[at + 10] = 1;
	out[at + 12] = (unsigned char)directory_bytes;
	out[at + 16] = (unsigned char)directory_at;
	out[at + 20] = (unsigned char)comment;
	return at + 22 + comment;
}

static void zip_end_records(void **state)
{
	unsigned char zip[1024];
	uint64_t at, members;
	size_t len;

	(void)state;
	len = plain_zip(zip, 100, 50, 0);
	assert_true(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_int_equal(at, 100);
	assert_int_equal(members, 1);
	assert_true(bl_zip_ends_well(zip + 90, len - 90, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, len, len + 1, &at, &members));
	len = plain_zip(zip, 100, 50, 30);
	assert_true(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, len - 1, len - 1, &at, &members));
	/* 64-bit values announced, no 64-bit record */
	len = plain_zip(zip, 100, 50, 0);
	memset(zip + 150 + 16, 0xff, 4);
	assert_false(bl_zip_ends_well(zip, len, len, &at, &members));
	/* bytes in front of the archive, or missing in it */
	len = plain_zip(zip, 100, 50, 0);
	zip[150 + 16] = 90;
	assert_false(bl_zip_ends_well(zip, len, len, &at, &members));
	assert_false(bl_zip_ends_well(zip, 21, 21, &at, &members));
}

static void safetensors_need_their_whole_length(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{",
		"{\"w\":{}}",
		"{\"w\":{\"data_offsets\":[3,1]}}",
		"{\"w\":{\"data_offsets\":[-1,1]}}",
		"{\"w\":{\"data_offsets\":[0,1.5]}}",
	};
	uint64_t size = 0;

	(void)state;
	put_safetensors("m.safetensors", 500, 0);
	assert_int_equal(whole_of("m.safetensors"), BL_WHOLE_YES);
	for (size_t cut = 1; cut < 560; cut += 7) {
		put_safetensors("m.safetensors", 500, cut);
		assert_int_equal(whole_of("m.safetensors"), BL_WHOLE_NO);
	}
	put_text("m.safetensors", "");
	assert_int_equal(whole_of("m.safetensors"), BL_WHOLE_NO);
	put_text("m.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff and so on");
	assert_int_equal(whole_of("m.safetensors"), BL_WHOLE_NO);
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_err err = { 0 };

		assert_int_equal(bl_safetensors_size(bad[i], strlen(bad[i]), &size, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
	}
	assert_int_equal(size, 0);
}

static void trainer_directories(void **state)
{
	(void)state;
	put_trainer_checkpoint(".", 500);
	assert_int_equal(whole_of("checkpoint-500"), BL_WHOLE_YES);
	/* unfinished: what Trainer leaves before trainer_state.json */
	put_safetensors("checkpoint-1000/model.safetensors", 10, 0);
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
	remove_path("checkpoint-500");
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_FOREIGN);
	put_zip("checkpoint-1000/optimizer.pt", 'o', 10);
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 1000, \"epo");
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"epoch\": 1000}");
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 999}");
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
	put_text("checkpoint-1000/trainer_state.json", "{\"global_step\": 1000}");
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_YES);
	put_cut_zip("checkpoint-1000/rng_state_1.pth", 'r', 10, 5);
	assert_int_equal(whole_of("checkpoint-1000"), BL_WHOLE_NO);
}

static void trainer_leaves_its_state_beside_checkpoints_too(void **state)
{
	(void)state;
	put_text("out/trainer_state.json", "{\"global_step\": 7}");
	assert_int_equal(whole_of("out"), BL_WHOLE_YES);
	put_trainer_checkpoint("out", 7);
	assert_int_equal(whole_of("out"), BL_WHOLE_FOREIGN);
	assert_int_equal(whole_of("out/checkpoint-7"), BL_WHOLE_YES);
	put_text("trainer_state.json", "{\"global_step\": 7}");
	assert_int_equal(whole_of(""), BL_WHOLE_FOREIGN);
}

static void a_missing_shard_is_seen(void **state)
{
	(void)state;
	put_trainer_checkpoint(".", 3);
	put_text("checkpoint-3/model.safetensors.index.json",
	         "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-1.safetensors\","
	         "\"c\":\"model-2.safetensors\"}}");
	put_safetensors("checkpoint-3/model-1.safetensors", 10, 0);
	assert_int_equal(whole_of("checkpoint-3"), BL_WHOLE_NO);
	put_safetensors("checkpoint-3/model-2.safetensors", 10, 0);
	assert_int_equal(whole_of("checkpoint-3"), BL_WHOLE_YES);
	put_text("checkpoint-3/model.safetensors.index.json", "{\"weight_map\":{\"a\":1}}");
	assert_int_equal(whole_of("checkpoint-3"), BL_WHOLE_NO);
}

static void dcp_needs_its_metadata_last(void **state)
{
	(void)state;
	put_text("step/__0_0.distcp", "PK\3\4 many archives");
	assert_int_equal(whole_of("step"), BL_WHOLE_NO);
	put_text("step/.metadata", "");
	assert_int_equal(whole_of("step"), BL_WHOLE_NO);
	put_text("step/.metadata", "pickle");
	assert_int_equal(whole_of("step"), BL_WHOLE_YES);
	set_mtime_ms("step/.metadata", 1000000);
	assert_int_equal(whole_of("step"), BL_WHOLE_NO);
	set_mtime_ms("step/__0_0.distcp", 1000000);
	assert_int_equal(whole_of("step"), BL_WHOLE_YES);
	/* within a Trainer's directory it must hold, too */
	put_trainer_checkpoint(".", 9);
	put_text("checkpoint-9/pytorch_model_fsdp_0/__0_0.distcp", "x");
	assert_int_equal(whole_of("checkpoint-9"), BL_WHOLE_NO);
	put_text("checkpoint-9/pytorch_model_fsdp_0/.metadata", "x");
	assert_int_equal(whole_of("checkpoint-9"), BL_WHOLE_YES);
}

static void deepspeed_needs_to_be_named(void **state)
{
	(void)state;
	put_zip("global_step5/mp_rank_00_model_states.pt", 'm', 10);
	assert_int_equal(whole_of("global_step5"), BL_WHOLE_NO);
	put_text("latest", "global_step4");
	assert_int_equal(whole_of("global_step5"), BL_WHOLE_NO);
	put_text("latest", "global_step5\n");
	assert_int_equal(whole_of("global_step5"), BL_WHOLE_YES);
	put_cut_zip("global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", 'm', 10, 1);
	assert_int_equal(whole_of("global_step5"), BL_WHOLE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(every_cut_of_a_zip_is_seen),
		FOLDER_TEST(a_zip_is_known_by_its_bytes),
		cmocka_unit_test(zip_end_records),
		FOLDER_TEST(safetensors_need_their_whole_length),
		FOLDER_TEST(trainer_directories),
		FOLDER_TEST(trainer_leaves_its_state_beside_checkpoints_too),
		FOLDER_TEST(a_missing_shard_is_seen),
		FOLDER_TEST(dcp_needs_its_metadata_last),
		FOLDER_TEST(deepspeed_needs_to_be_named),
	};

	return cmocka_run_group_tests_name("complete_formats", tests, NULL, NULL);
}
