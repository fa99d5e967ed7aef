/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scratch.h"

#include "base/fs.h"
#include "run/keys.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static int home = -1;

int scratch_store(void **state)
{
	struct bl_store *store = NULL;
	struct bl_err err = { 0 };

	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(dir, sizeof(dir), "/tmp/branchline-test-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir) || bl_store_open("store", BL_STORE_WRITE, &store, &err)) {
		fprintf(stderr, "scratch: %s %s\n", dir, err.text);
		return -1;
	}
	*state = store;
	return 0;
}

int scratch_done(void **state)
{
	struct bl_err err = { 0 };
	BL_FD tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	bl_store_close(*state);
	*state = NULL;
	if (fchdir(home) || bl_fs_remove_tree(tmp, dir + strlen("/tmp/"), &err)) {
		fprintf(stderr, "scratch: %s\n", err.text);
		return -1;
	}
	bl_fd_done(&home);
	return 0;
}

const char *scratch_dir(void)
{
	return dir;
}

static size_t n_files;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	n_files += type == FTW_F && S_ISREG(st->st_mode);
	return 0;
}

size_t count_files(const char *path)
{
	n_files = 0;
	assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
	return n_files;
}

void must(int result, const struct bl_err *err)
{
	if (result)
		fail_msg("%d: %s", err->code, err->text);
}

void put_object(struct bl_store *store, const char *key, const char *text)
{
	struct bl_err err = { 0 };

	must(bl_store_put(store, NULL, key, text, strlen(text), &err), &err);
}

void assert_object(struct bl_store *store, const char *key, const char *text)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(bl_store_get(store, NULL, key, &buf, &err), &err);
	assert_string_equal(bl_buf_text(&buf), text);
}

void assert_absent(struct bl_store *store, const char *key)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	assert_int_equal(bl_store_get(store, NULL, key, &buf, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_int_equal(buf.len, 0);
}

static const char *or_else(const char *text, const char *fallback)
{
	return text ? text : fallback;
}

void put_run(struct bl_store *store, const struct fixture_run *run)
{
	BL_AUTO(bl_buf) doc = BL_BUF(1 << 16);
	struct bl_key key = bl_key_run(run->id, "run.json");

	bl_buf_addf(
		&doc,
		"{\"schema\":1,\"run\":\"%s\",\"nonce\":\"abcdefgh234567zz\",\"created_ms\":%lld,"
		"\"kind\":\"local\",\"job\":\"%s\",\"group\":null,"
		"\"repository\":{\"key\":\"%s\",\"name\":\"host/owner/name\"},\"pr\":%d,",
		run->id, (long long)bl_run_id_wall_ms(run->id) + run->ms,
		or_else(run->job, "train"), or_else(run->repository, "0123456789abcdef"), run->pr);
	bl_buf_addf(&doc,
	            "\"git\":{\"head\":\"%s\",\"base\":null,\"tree\":\"%s\",\"branch\":\"%s\","
	            "\"subject\":\"say why\",\"dirty\":%s,\"patch_key\":null},",
	            or_else(run->head, ""), or_else(run->tree, ""), or_else(run->branch, "main"),
	            run->dirty ? "true" : "false");
	bl_buf_addf(
		&doc,
		"\"config\":{\"hyperparameters\":{\"lr\":0.1},\"metrics\":{\"primary\":\"loss\"}},"
		"\"overrides\":%s,\"parents\":%s,\"limits\":{\"max_runtime_ms\":60000,"
		"\"max_cost_usd\":10.0,\"retries\":3,\"grace_ms\":1000,\"flush_reserve_ms\":5}}",
		or_else(run->overrides, "[]"), or_else(run->parents, "[]"));
	put_object(store, key.text, bl_buf_text(&doc));
}
