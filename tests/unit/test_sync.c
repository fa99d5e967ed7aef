/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync.h"

#include "base/fs.h"
#include "base/str.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- What is told ----------------------------------------------------------------------------- */

struct told {
	struct bl_buf lines;
	struct bl_sync_totals last;
	volatile sig_atomic_t *stop; /* set at the first name that is done */
};

static void said(void *arg, const char *act, const char *name, uint64_t size, const char *why)
{
	struct told *told = arg;

	bl_buf_addf(&told->lines, "%s %s %ju%s%s\n", act, name, (uintmax_t)size, why ? ": " : "",
	            why ? why : "");
	if (told->stop)
		*told->stop = 1;
}

static void progress(void *arg, const struct bl_sync_totals *so_far)
{
	struct told *told = arg;

	assert_true(so_far->moved + so_far->equal + so_far->excluded + so_far->skipped +
	                    so_far->refused <=
	            so_far->listed_src);
	assert_true(so_far->moved_bytes >= told->last.moved_bytes);
	told->last = *so_far;
}

static int run(struct bl_sync_options *options, struct told *told, struct bl_sync_totals *totals,
               struct bl_err *err)
{
	struct bl_sync_watch watch = { said, progress, told };

	told->lines = BL_BUF(65536);
	return bl_sync(options, &watch, totals, err);
}

static int fresh(void **state)
{
	peer_fresh();
	if (folder_make(state))
		return -1;
	setenv("XDG_STATE_HOME", folder_path("state"), 1);
	return 0;
}

#define S3 "s3://bucket/p"

static void put_three(void)
{
	put_text("src/a", "one");
	put_text("src/d/b", "two");
	put_text("src/z", "");
}

static void both_ways_and_again(void **state)
{
	char src[128], dst[128];
	struct bl_sync_options up = { .src = src, .dst = S3 }, down = { .src = S3, .dst = dst };
	struct bl_sync_totals totals;
	struct told told = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	put_three();
	snprintf(src, sizeof(src), "%s/src", folder);
	snprintf(dst, sizeof(dst), "%s/dst", folder);
	must(run(&up, &told, &totals, &err), &err);
	assert_int_equal(totals.moved, 3);
	assert_int_equal(totals.moved_bytes, 6);
	assert_int_equal(totals.known, 3);
	assert_true(totals.all_listed);
	assert_int_equal(totals.under_way_bytes, 0);
	assert_memory_equal(&told.last, &totals, sizeof(totals));
	assert_non_null(strstr(bl_buf_text(&told.lines), "upload d/b 3\n"));
	bl_buf_done(&told.lines);
	told = (struct told){ 0 };
	must(run(&down, &told, &totals, &err), &err);
	assert_file_holds("dst/d/b", "two");
	bl_buf_done(&told.lines);
	told = (struct told){ 0 };
	must(run(&down, &told, &totals, &err), &err);
	assert_int_equal(totals.equal, 3);
	assert_string_equal(bl_buf_text(&told.lines), "");
	bl_buf_done(&told.lines);
}

static void a_stop_is_heeded(void **state)
{
	volatile sig_atomic_t stop = 0;
	char src[128];
	struct bl_sync_options up = { .src = src, .dst = S3, .at_once = 1, .stop = &stop };
	struct bl_sync_totals totals;
	struct told told = { .stop = &stop };
	struct bl_err err = { 0 };

	(void)state;
	put_three();
	snprintf(src, sizeof(src), "%s/src", folder);
	assert_int_equal(run(&up, &told, &totals, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_int_equal(totals.moved, 1);
	bl_buf_done(&told.lines);
}

static void failures_have_the_class_they_share(void **state)
{
	char src[128];
	struct bl_sync_options up = { .src = src, .dst = S3 };
	struct bl_sync_totals totals;
	struct told told = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	put_three();
	snprintf(src, sizeof(src), "%s/src", folder);
	peer_control("POST", "/script",
	             "[{\"operation\": \"PutObject\", \"key\": \"p/a\", \"error\": "
	             "\"AccessDenied\", \"count\": 0}]");
	assert_int_equal(run(&up, &told, &totals, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_int_equal(totals.failed, 1);
	assert_int_equal(totals.moved, 2);
	assert_non_null(strstr(bl_buf_text(&told.lines), "failed a 0: "));
	bl_buf_done(&told.lines);
}

static void bad_rules_are_usage(void **state)
{
	static const char *const rules[] = { "-" };
	struct bl_sync_options up = { .src = folder, .dst = S3, .rules = rules, .n_rules = 1 };
	struct bl_sync_totals totals;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_sync(&up, NULL, &totals, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

/* --- Allocations ------------------------------------------------------------------------------ */

static int whole_or_absent(const char *name, const char *text)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	struct bl_err err = { 0 };

	if (bl_fs_read(folder_fd, name, &buf, &err)) /* it is our own allocation that failed */
		return err.code == BL_ENOENT || err.code == BL_ENOMEM ? 0 : -1;
	return strcmp(bl_buf_text(&buf), text) ? -1 : 0;
}

static int no_leftover(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	(void)arg;
	(void)dir;
	(void)type;
	if (bl_str_starts(name, ".bl-"))
		return bl_fail(err, BL_EBUG, "%s was left", name);
	return 0;
}

/* The libraries tell of a failed allocation in their own ways: as a network that is gone, too. */
static int judge(int rc, struct bl_err *err)
{
	struct bl_err left = { 0 };

	if (whole_or_absent("dst/a", "one") || whole_or_absent("dst/d/b", "two"))
		return bl_recode(err, BL_ECORRUPT);
	if (is_there("dst") && bl_fs_list(folder_fd, "dst", no_leftover, NULL, &left) &&
	    left.code == BL_EBUG) {
		*err = left;
		return -1;
	}
	return rc && err->code ? bl_recode(err, BL_ENOMEM) : rc;
}

static int down_story(struct bl_err *err)
{
	char dst[128], manifest[128];
	struct bl_sync_options down = {
		.src = S3, .dst = dst, .delete_extra = true, .manifest = manifest
	};
	struct bl_sync_totals totals;

	snprintf(dst, sizeof(dst), "%s/dst", folder);
	snprintf(manifest, sizeof(manifest), "%s/manifest", folder);
	if (bl_fs_remove_tree(folder_fd, "dst", err))
		return -1;
	return judge(bl_sync(&down, NULL, &totals, err), err);
}

/* Each pass (a process) to a prefix of its own: one name goes up, then another in its place. */
static int up_story(struct bl_err *err)
{
	char src[128], dst[64];
	struct bl_sync_options up = { .src = src, .dst = dst, .delete_extra = true };
	struct bl_sync_totals totals;
	int rc = 0;

	snprintf(dst, sizeof(dst), "s3://bucket/%ld", (long)getpid());
	for (int i = 0; i < 2 && !rc; i++) {
		snprintf(src, sizeof(src), "%s/src%d", folder, i);
		rc = bl_sync(&up, NULL, &totals, err);
	}
	return judge(rc, err);
}

static void each_allocation_of_a_download(void **state)
{
	(void)state;
	peer_control("PUT", "/object?bucket=bucket&key=p/a", "one");
	peer_control("PUT", "/object?bucket=bucket&key=p/d/b", "two");
	each_allocation_fails(down_story, 4000);
}

static void each_allocation_of_an_upload(void **state)
{
	(void)state;
	put_text("src0/a", "one");
	put_text("src1/b", "one");
	each_allocation_fails(up_story, 4000);
}

#define ON_PEER(test) cmocka_unit_test_setup_teardown(test, fresh, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PEER(both_ways_and_again),
		ON_PEER(a_stop_is_heeded),
		ON_PEER(failures_have_the_class_they_share),
		ON_PEER(bad_rules_are_usage),
		ON_PEER(each_allocation_of_a_download),
		ON_PEER(each_allocation_of_an_upload),
	};
	int failed;

	if (!peer_start())
		return 0;
	failed = cmocka_run_group_tests_name("sync", tests, NULL, NULL);
	peer_stop();
	return failed;
}
