/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_s3.h"

#include "base/fs.h"
#include "codec/hash.h"
#include "tests/unit/aws_peer.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_contract.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int fresh(void **state)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };

	peer_fresh();
	must(bl_store_open("s3://bucket", BL_STORE_WRITE, &store, &err), &err);
	*state = store;
	return 0;
}

static int gone(void **state)
{
	bl_store_close(*state);
	return 0;
}

static int note(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	(void)err;
	bl_buf_addf(arg, "%s ", item->key);
	return 0;
}

static void assert_list(struct bl_store *store, const char *prefix, const char *start_after,
                        char delimiter, const char *want)
{
	BL_AUTO(bl_buf) got = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(bl_store_list(store, NULL, prefix, start_after, delimiter, note, &got, &err), &err);
	assert_string_equal(bl_buf_text(&got), want);
}

static void refused(const char *uri, enum bl_code code, const char *text, const char *next)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };

	assert_int_equal(bl_store_open(uri, BL_STORE_READ, &store, &err), -1);
	assert_null(store);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, text) || !strstr(err.next, next))
		fail_msg("%s: %s / %s", uri, err.text, err.next);
}

static void names_of_a_store(void **state)
{
	const struct bl_aws_options aws = { 0 };
	BL_STORE slash = NULL;
	struct bl_err err = { 0 };

	(void)state;
	assert_string_equal(bl_store_uri(*state), "s3://bucket");
	must(bl_store_s3_open_as("s3://bucket/", BL_STORE_READ, &aws, &slash, &err), &err);
	assert_string_equal(bl_store_uri(slash), "s3://bucket");
	refused("s3://bucket/team/a", BL_EINPUT, "whole bucket", "s3://bucket");
	refused("s3://", BL_EINPUT, "3 to 63", "s3://BUCKET");
	refused("s3://Bucket", BL_EINPUT, "a-z", "s3://BUCKET");
	refused("s3://none-such", BL_ENOENT, "NoSuchBucket", "aws s3 mb s3://none-such");
}

static void a_region_and_a_right_are_needed(void **state)
{
	char endpoint[128];

	(void)state;
	snprintf(endpoint, sizeof(endpoint), "%s", getenv("AWS_ENDPOINT_URL"));
	unsetenv("AWS_ENDPOINT_URL");
	unsetenv("AWS_REGION");
	refused("s3://bucket", BL_EINPUT, "no region", "AWS_REGION");
	setenv("AWS_REGION", "us-east-1", 1);
	setenv("AWS_ENDPOINT_URL", endpoint, 1);
	peer_control("POST", "/script",
	             "{\"operation\":\"ListObjectsV2\",\"error\":\"AccessDenied\"}");
	refused("s3://bucket", BL_EDENIED, "AccessDenied", "s3:ListBucket");
	setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
	refused("s3://bucket", BL_EDENIED, "SignatureDoesNotMatch", "");
}

static void a_store_for_reading_refuses_to_write(void **state)
{
	BL_STORE reader = NULL;
	struct bl_err err[4] = { 0 };
	uint64_t crc;

	put_object(*state, "k", "v");
	must(bl_store_open("s3://bucket", BL_STORE_READ, &reader, &err[0]), &err[0]);
	assert_int_equal(bl_store_put(reader, NULL, "k", "w", 1, &err[0]), -1);
	assert_int_equal(bl_store_put_if_absent(reader, NULL, "n", "w", 1, &err[1]), -1);
	assert_int_equal(bl_store_delete(reader, NULL, "k", &err[2]), -1);
	assert_int_equal(bl_store_put_file(reader, NULL, "k", 0, 0, &crc, &err[3]), -1);
	for (size_t i = 0; i < BL_COUNT(err); i++)
		assert_int_equal(err[i].code, BL_EDENIED);
	assert_object(reader, "k", "v");
}

/* Whatever others put there by hand. */
static void what_is_no_key_of_ours_is_not_listed(void **state)
{
	static const char *const foreign[] = { "folder%2F",  "a%2F%2Fb", "%2Ftop",
		                               "x%2F..%2Fy", "line%0A",  "bell%07" };
	char path[256];

	put_object(*state, "a/b", "1");
	put_object(*state, "z", "1");
	for (size_t i = 0; i < BL_COUNT(foreign); i++) {
		snprintf(path, sizeof(path), "/object?bucket=bucket&key=%s", foreign[i]);
		peer_control("PUT", path, "x");
	}
	assert_list(*state, "", NULL, 0, "a/b z ");
	assert_list(*state, "", NULL, '/', "a/ folder/ x/ z ");
	assert_list(*state, "a/", NULL, '/', "a/b ");
}

static void pages_are_one_list(void **state)
{
	BL_AUTO(bl_buf) want = BL_BUF(1000), folded = BL_BUF(1000);
	char key[64];

	peer_control("POST", "/options", "{\"max_keys\":3}");
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "d%d/x", i);
		put_object(*state, key, "");
		bl_buf_addf(&want, "%s ", key);
		bl_buf_addf(&folded, "d%d/ ", i);
	}
	assert_list(*state, "", NULL, 0, bl_buf_text(&want));
	assert_list(*state, "", NULL, '/', bl_buf_text(&folded));
	assert_list(*state, "", "d7/x", '/', "d8/ d9/ ");
	assert_list(*state, "", "d7/", '/', "d7/ d8/ d9/ ");
}

/* Servers differ in whether a list that starts within a folded prefix still shows it. */
static void a_folded_prefix_is_told_once(void **state)
{
	put_object(*state, "d7/x", "");
	put_object(*state, "d8/x", "");
	peer_control("POST", "/script",
	             "{\"operation\":\"ListObjectsV2\",\"nth\":2,\"status\":200,\"body\":"
	             "\"<ListBucketResult><CommonPrefixes><Prefix>d7/</Prefix></CommonPrefixes>"
	             "<CommonPrefixes><Prefix>d8/</Prefix></CommonPrefixes>"
	             "</ListBucketResult>\"}");
	assert_list(*state, "", "d7/", '/', "d7/ d8/ ");
}

static size_t count_uploads(void)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	const char *at;
	size_t n = 0;

	peer_ask("/uploads?bucket=bucket", &text);
	for (at = bl_buf_text(&text); (at = strstr(at, "\"id\"")); at++)
		n++;
	return n;
}

/* A large file whose writer was killed: its upload is ended, others' are not. */
static void what_a_killed_writer_left_is_ended(void **state)
{
	size_t size = (size_t)20 << 20;
	struct bl_err err = { 0 };
	BL_FD fd = memfd_create("big", MFD_CLOEXEC);
	int status;
	pid_t pid;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		BL_STORE own = NULL;
		uint64_t crc;

		/* a client of its own: nothing is shared after a fork */
		setenv("BRANCHLINE_FAILPOINT", "s3.upload.part=kill@2", 1);
		if (bl_store_open("s3://bucket", BL_STORE_WRITE, &own, &err))
			_exit(1);
		_exit(bl_store_put_file(own, NULL, "runs/a/big", fd, size, &crc, &err) ? 2 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(count_uploads(), 1);
	assert_list(*state, "", NULL, 0, "");
	must(bl_store_tidy(*state, NULL, "runs/b/", &err), &err);
	assert_int_equal(count_uploads(), 1);
	must(bl_store_tidy(*state, NULL, "runs/a/", &err), &err);
	assert_int_equal(count_uploads(), 0);
}

/* The reply of the first try is lost after the write: the second meets it. */
static void a_lost_reply_is_an_answer_of_its_own(void **state)
{
	static const char fault[] = "{\"operation\":\"PutObject\",\"cut\":\"after\",\"count\":1}";
	struct bl_err err = { 0 };

	peer_control("POST", "/script", fault);
	assert_int_equal(bl_store_put_if_absent(*state, NULL, "k", "mine", 4, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_object(*state, "k", "mine");
	bl_err_clear(&err);
	peer_control("POST", "/script", fault);
	must(bl_store_put_once(*state, NULL, "once", "mine", 4, &err), &err);
	assert_int_equal(bl_store_put_once(*state, NULL, "once", "other", 5, &err), -1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_object(*state, "once", "mine");
}

static void a_flipped_bit_is_noticed(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	put_object(*state, "k", "document");
	peer_control("POST", "/corrupt", "{\"bucket\":\"bucket\",\"key\":\"k\",\"bit\":9}");
	assert_int_equal(bl_store_get(*state, NULL, "k", &buf, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_int_equal(buf.len, 0);
}

/* --- allocations ------------------------------------------------------------------------------ */

static int every_operation(struct bl_err *err)
{
	BL_STORE store = NULL;
	BL_AUTO(bl_buf) buf = BL_BUF(100000);
	BL_FD fd = memfd_create("copy", MFD_CLOEXEC);
	uint64_t size, crc, total;

	if (bl_store_s3_open("s3://bucket", BL_STORE_WRITE, &store, err) ||
	    bl_store_put(store, NULL, "d/k", "text", 4, err) ||
	    bl_store_put_once(store, NULL, "d/n", "text", 4, err) ||
	    bl_store_get_file(store, NULL, "d/k", fd, &size, &crc, err) ||
	    bl_store_put_file(store, NULL, "d/f", fd, size, &crc, err) ||
	    bl_store_get_files(store, NULL, &(struct bl_file){ "d/f", fd, size, 0 }, 1, err) ||
	    bl_store_get(store, NULL, "d/k", &buf, err) ||
	    bl_store_get_range(store, NULL, "d/k", 1, 2, &buf, &total, err) ||
	    bl_store_list(store, NULL, "", "d/k", '/', note, &buf, err) ||
	    bl_store_tidy(store, NULL, "d/", err) || bl_buf_check(&buf, "buffer", err) ||
	    bl_store_delete(store, NULL, "d/n", err))
		return -1;
	return 0;
}

/* libcurl, short of memory, may send half a URL: whatever failure that makes is a clean one. */
static int every_operation_or_a_failure(struct bl_err *err)
{
	if (!every_operation(err))
		return 0;
	return err->code ? bl_recode(err, BL_ENOMEM) : -1;
}

static void each_allocation_of_the_store(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	must(every_operation(&err), &err);
	each_allocation_fails(every_operation_or_a_failure, 5000);
}

#define ON_PEER(test) cmocka_unit_test_setup_teardown(test, fresh, gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PEER(names_of_a_store),
		ON_PEER(a_store_for_reading_refuses_to_write),
		ON_PEER(what_is_no_key_of_ours_is_not_listed),
		ON_PEER(pages_are_one_list),
		ON_PEER(a_folded_prefix_is_told_once),
		ON_PEER(what_a_killed_writer_left_is_ended),
		ON_PEER(a_lost_reply_is_an_answer_of_its_own),
		ON_PEER(a_flipped_bit_is_noticed),
		ON_PEER(each_allocation_of_the_store),
		ON_PEER(a_region_and_a_right_are_needed),
	};
	int failed;

	if (!peer_start())
		return peer_skip();
	failed = run_store_contract("store contract: S3", fresh, gone);
	failed += cmocka_run_group_tests_name("store: S3", tests, NULL, NULL);
	peer_stop();
	return failed;
}
