/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/snapshots.h"

#include "base/clock.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct bl_store *store;
int64_t mono, wall;

static int64_t mono_now(void)
{
	return mono;
}

static int64_t wall_now(void)
{
	return wall;
}

static const struct bl_clock fake_clock = { mono_now, wall_now };

int snapshots_set_up(void **state)
{
	struct bl_err err = { 0 };

	if (folder_make(state) || bl_store_open(folder_path("store"), BL_STORE_WRITE, &store, &err))
		return -1;
	wall = bl_wall_ms();
	mono = 5000;
	bl_clock_replace(&fake_clock);
	return 0;
}

int snapshots_tear_down(void **state)
{
	bl_clock_replace(NULL);
	bl_store_close(store);
	return folder_drop(state);
}

void pass(int64_t ms)
{
	mono += ms;
	wall += ms;
}

struct bl_snapshots *make_snapshots(unsigned attempt)
{
	struct bl_snapshots *snapshots;
	struct bl_err err = { 0 };

	assert_int_equal(bl_snapshots_new(RUN, attempt, folder_path("ckpt"), &snapshots, &err), 0);
	return snapshots;
}

struct bl_snapshot_when usual(void)
{
	return (struct bl_snapshot_when){
		.quiet_ms = 10000,
		.now_wall_ms = wall,
		.step = (double)NAN,
		.primary_value = (double)NAN,
	};
}

struct bl_published take_when(struct bl_snapshots *snapshots, const struct bl_snapshot_when *when)
{
	struct bl_published out = { 0 };
	struct bl_err err = { 0 };

	if (bl_snapshots_take(snapshots, store, NULL, when, &out, &err))
		fail_msg("%s", err.text);
	assert_int_equal(err.code, BL_OK);
	return out;
}

struct bl_published take(struct bl_snapshots *snapshots)
{
	struct bl_snapshot_when when = usual();

	return take_when(snapshots, &when);
}

struct bl_manifest read_manifest(const char *key)
{
	struct bl_manifest manifest = BL_MANIFEST;
	struct bl_err err = { 0 };

	if (bl_manifest_read(store, key, &manifest, &err))
		fail_msg("%s", err.text);
	return manifest;
}

/* The key of `path` in this manifest; "" when it has none. */
const char *key_in(const char *manifest_key, const char *path)
{
	static char keys[4][1100];
	static unsigned at;
	BL_AUTO(bl_manifest) manifest = read_manifest(manifest_key);
	const struct bl_entry *entry = bl_manifest_find(&manifest, path);
	char *key = keys[at++ % 4];

	snprintf(key, sizeof(keys[0]), "%s", entry && entry->key ? entry->key : "");
	return key;
}

struct bl_restored restore_into(const char *name, const char *only, struct bl_manifest *manifest,
                                struct bl_buf *said)
{
	struct bl_restored out = { 0 };
	struct bl_err err = { 0 };

	if (bl_checkpoint_restore(store, NULL, RUN, only, folder_path(name), &out, manifest, said,
	                          &err))
		fail_msg("%s", err.text);
	return out;
}

int64_t changed_at(const char *path)
{
	struct bl_stamp stamp;
	struct stat st;

	assert_int_equal(fstatat(folder_fd, path, &st, 0), 0);
	bl_stamp_of(&st, &stamp);
	return bl_stamp_wall_ms(&stamp);
}

enum bl_whole whole_of(const char *path)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	enum bl_whole said = BL_WHOLE_FOREIGN;
	struct bl_err err = { 0 };
	int rc = bl_tree_read(folder, &tree, &err);

	for (size_t i = 0; !rc && i < tree.n; i++) {
		if (strcmp(tree.nodes[i].path, path) != 0)
			continue;
		rc = tree.nodes[i].kind == BL_NODE_DIR ? bl_whole_dir(&tree, i, &said, &err)
		                                       : bl_whole_file(&tree, i, &said, &err);
		if (!rc)
			return said;
	}
	fail_msg("'%s': %s", path, rc ? err.text : "not in the tree");
	return said;
}
