/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_SNAPSHOTS_H
#define BL_TESTS_SNAPSHOTS_H

#include "run/checkpoint_parts.h"
#include "run/complete.h"

/*
 * Snapshots of FOLDER/ckpt into a store at FOLDER/store, by a clock that moves only when it is
 * told to. A failure of what is called here fails the test.
 */
#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define OBJECTS "store/runs/" RUN "/checkpoints/" /* below the folder */

extern struct bl_store *store;
extern int64_t mono, wall; /* ms */

int snapshots_set_up(void **state);
int snapshots_tear_down(void **state);
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, snapshots_set_up, snapshots_tear_down)

void pass(int64_t ms);
/* The newer of a file's two times, wall ms. */
int64_t changed_at(const char *path);

struct bl_snapshots *make_snapshots(unsigned attempt);
/* Training goes on; quiet is 10 s. */
struct bl_snapshot_when usual(void);
struct bl_published take_when(struct bl_snapshots *snapshots, const struct bl_snapshot_when *when);
struct bl_published take(struct bl_snapshots *snapshots);

struct bl_manifest read_manifest(const char *key);
/* The object's key of `path` in this manifest, "" when it has none; valid until the fourth call. */
const char *key_in(const char *manifest_key, const char *path);
struct bl_restored restore_into(const char *name, const char *only, struct bl_manifest *manifest,
                                struct bl_buf *said);

/* The word of the directory rules on FOLDER's `path`, or of the file rules when it is a file. */
enum bl_whole whole_of(const char *path);

#endif
