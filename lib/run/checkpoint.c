/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOSSES_TO_WARN 3
/* Between two looks the clocks may drift apart by this much: slewing, not stepping. */
#define STEP_MS 1000

/* How often in a row an entry changed while it was read. */
struct loss {
	char *path;
	unsigned times;
	bool fresh; /* lost in the running snapshot, too */
};

struct bl_snapshots {
	char run[BL_RUN_SIZE];
	unsigned attempt;
	char *path;
	unsigned seq; /* the last one used */
	bool learned, adopted;
	struct bl_manifest last;
	struct bl_seen seen;
	bool looked, stepped;
	int64_t wall_minus_mono_ms;
	struct loss *losses;
	size_t n_losses;
};

int bl_snapshots_new(const char *run, unsigned attempt, const char *path, struct bl_snapshots **out,
                     struct bl_err *err)
{
	struct bl_snapshots *made = calloc(1, sizeof(*made));

	if (!made || !(made->path = strdup(path))) {
		free(made);
		return bl_fail(err, BL_ENOMEM, "snapshots: out of memory");
	}
	snprintf(made->run, sizeof(made->run), "%s", run);
	made->attempt = attempt;
	*out = made;
	return 0;
}

void bl_snapshots_free(struct bl_snapshots *snapshots)
{
	if (!snapshots)
		return;
	for (size_t i = 0; i < snapshots->n_losses; i++)
		free(snapshots->losses[i].path);
	free(snapshots->losses);
	bl_manifest_done(&snapshots->last);
	bl_seen_done(&snapshots->seen);
	free(snapshots->path);
	free(snapshots);
}

int bl_snapshots_adopt(struct bl_snapshots *snapshots, const struct bl_manifest *restored,
                       struct bl_err *err)
{
	BL_AUTO(bl_manifest) last = BL_MANIFEST;
	struct bl_checkpoint_id id;
	const char *rest;

	for (size_t i = 0; i < restored->n; i++) {
		const struct bl_entry *entry = &restored->entries[i];

		if (entry->key && !bl_checkpoint_key(entry->key, snapshots->run, &id, &rest))
			continue;
		if (bl_manifest_copy(&last, entry, err))
			return -1;
	}
	bl_manifest_sort(&last);
	bl_manifest_done(&snapshots->last);
	snapshots->last = last;
	last = BL_MANIFEST;
	snapshots->adopted = true;
	snapshots->learned = false;
	return 0;
}

static int is_stored(struct bl_store *store, const struct bl_call *call,
                     const struct bl_entry *entry, bool *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) nothing = BL_BUF(0);
	uint64_t size = 0;

	*out = true;
	if (!entry->key)
		return 0;
	if (!bl_store_get_range(store, call, entry->key, 0, 0, &nothing, &size, err)) {
		*out = size == entry->size;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*out = false;
	return 0;
}

/* Adopted objects may have been pruned since their manifest was read: such a file is new. */
static int check_adopted(struct bl_snapshots *snapshots, struct bl_store *store,
                         const struct bl_call *call, struct bl_err *err)
{
	BL_AUTO(bl_manifest) kept = BL_MANIFEST;

	for (size_t i = 0; i < snapshots->last.n; i++) {
		const struct bl_entry *entry = &snapshots->last.entries[i];
		bool stored;

		if (is_stored(store, call, entry, &stored, err) ||
		    (stored && bl_manifest_copy(&kept, entry, err)))
			return -1;
	}
	bl_manifest_done(&snapshots->last);
	snapshots->last = kept;
	kept = BL_MANIFEST;
	return 0;
}

/* Before the first look: what stands in the store of this attempt, and of the one restored. */
static int learn(struct bl_snapshots *snapshots, const struct bl_upload *upload, struct bl_err *err)
{
	struct bl_learning what = { upload->store, upload->call, upload->tree, snapshots->run,
		                    snapshots->attempt };
	bool found;

	if (snapshots->learned)
		return 0;
	if (bl_last_learn(&what, &snapshots->seq, &snapshots->last, &found, err) ||
	    ((found || snapshots->adopted) &&
	     check_adopted(snapshots, upload->store, upload->call, err)))
		return -1;
	snapshots->learned = true;
	return 0;
}

/* Once the wall clock has stepped, times of files prove nothing any more. */
static bool wall_is_steady(struct bl_snapshots *snapshots, int64_t wall_ms, int64_t mono_ms)
{
	int64_t now = wall_ms - mono_ms, was = snapshots->wall_minus_mono_ms;

	if (snapshots->looked && (now - was > STEP_MS || was - now > STEP_MS))
		snapshots->stepped = true;
	snapshots->looked = true;
	snapshots->wall_minus_mono_ms = now;
	return !snapshots->stepped;
}

static int count_loss(struct bl_snapshots *snapshots, const char *path, unsigned *times,
                      struct bl_err *err)
{
	struct loss *losses;
	char *copy;

	for (size_t i = 0; i < snapshots->n_losses; i++) {
		if (strcmp(snapshots->losses[i].path, path) != 0)
			continue;
		snapshots->losses[i].fresh = true;
		*times = ++snapshots->losses[i].times;
		return 0;
	}
	losses = realloc(snapshots->losses, (snapshots->n_losses + 1) * sizeof(*losses));
	if (!losses)
		return bl_fail(err, BL_ENOMEM, "snapshot: out of memory");
	snapshots->losses = losses;
	copy = strdup(path);
	if (!copy)
		return bl_fail(err, BL_ENOMEM, "snapshot: out of memory");
	losses[snapshots->n_losses++] = (struct loss){ copy, 1, true };
	*times = 1;
	return 0;
}

static void forget_old_losses(struct bl_snapshots *snapshots)
{
	size_t kept = 0;

	for (size_t i = 0; i < snapshots->n_losses; i++) {
		if (snapshots->losses[i].fresh) {
			snapshots->losses[i].fresh = false;
			snapshots->losses[kept++] = snapshots->losses[i];
		} else {
			free(snapshots->losses[i].path);
		}
	}
	snapshots->n_losses = kept;
}

/* The entries that the last manifest has for this piece stay in the next one. */
static int carry_over(const struct bl_snapshots *snapshots, const struct bl_node *node,
                      struct bl_manifest *next, struct bl_err *err)
{
	const struct bl_manifest *last = &snapshots->last;
	size_t len = strlen(node->path);

	for (size_t i = bl_manifest_lower(last, node->path); i < last->n; i++) {
		const char *path = last->entries[i].path;
		bool is_below = !len || path[len] == '/';

		if (strncmp(path, node->path, len) != 0)
			break;
		if ((node->kind == BL_NODE_DIR ? is_below : !path[len]) &&
		    bl_manifest_copy(next, &last->entries[i], err))
			return -1;
	}
	return 0;
}

static int take_piece(struct bl_snapshots *snapshots, struct bl_upload *upload,
                      const struct bl_piece *piece, struct bl_manifest *next,
                      struct bl_published *out, struct bl_err *err)
{
	const struct bl_node *node = &upload->tree->nodes[piece->first];
	enum bl_uploaded how = BL_UPLOADED;
	unsigned times = 0;
	char bad[BL_BAD_SIZE];

	if (!piece->whole) {
		out->incomplete++;
		return carry_over(snapshots, node, next, err);
	}
	if (bl_piece_upload(upload, piece, next, &how, bad, err))
		return -1;
	if (how == BL_UPLOADED)
		return 0;
	if (how == BL_UPLOAD_REFUSED) {
		snprintf(out->refused, sizeof(out->refused), "%s", bad);
		return carry_over(snapshots, node, next, err);
	}
	if (how == BL_UPLOAD_GONE && node->kind != BL_NODE_DIR)
		return 0;
	out->incomplete++;
	if (how == BL_UPLOAD_LOST) {
		if (count_loss(snapshots, node->path, &times, err))
			return -1;
		if (times >= LOSSES_TO_WARN)
			snprintf(out->lost, sizeof(out->lost), "%s", node->path);
	}
	return carry_over(snapshots, node, next, err);
}

/* Whether `next` has anything that `last` has not. */
static bool is_news(const struct bl_manifest *next, const struct bl_manifest *last)
{
	for (size_t i = 0; i < next->n; i++) {
		const struct bl_entry *entry = &next->entries[i];
		const struct bl_entry *was = bl_manifest_find(last, entry->path);
		const char *now = entry->link ? entry->link : entry->key;

		if (!was || !was->link != !entry->link ||
		    strcmp(was->link ? was->link : was->key, now) != 0)
			return true;
	}
	return false;
}

static void describe(const struct bl_snapshots *snapshots, const struct bl_snapshot_when *when,
                     struct bl_manifest *next)
{
	next->attempt = snapshots->attempt;
	next->seq = snapshots->seq;
	next->at_ms = when->now_wall_ms;
	next->step = when->step;
	next->primary_value = when->primary ? when->primary_value : (double)NAN;
	snprintf(next->primary, sizeof(next->primary), "%s", when->primary ? when->primary : "");
}

static int write_manifest(const struct bl_snapshots *snapshots, struct bl_store *store,
                          const struct bl_call *call, const struct bl_manifest *next,
                          const char *key, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);
	int fault = BL_FAULT("checkpoint.manifest.before");

	if (fault)
		return bl_fail_errno(err, fault, "write %s", key);
	bl_manifest_write(next, snapshots->run, &bytes);
	if (bl_buf_check(&bytes, "checkpoint manifest", err))
		return -1;
	if (bl_store_put_once(store, call, key, bl_buf_text(&bytes), bytes.len, err)) {
		if (err->code == BL_EEXIST)
			bl_next(err, "another host works for this attempt; end one of them");
		return -1;
	}
	BL_FAILPOINT("checkpoint.manifest.after");
	return 0;
}

/* Uploads, then writes the manifest; on failure nothing of it stays in the store. */
static int publish(struct bl_snapshots *snapshots, struct bl_upload *upload,
                   const struct bl_pieces *pieces, const struct bl_snapshot_when *when,
                   struct bl_manifest *next, struct bl_published *out, struct bl_err *err)
{
	struct bl_key key;

	for (size_t i = 0; i < pieces->n; i++)
		if (take_piece(snapshots, upload, &pieces->items[i], next, out, err))
			return -1;
	bl_manifest_sort(next);
	if (bl_links_settle(next, &snapshots->last, err))
		return -1;
	if (!is_news(next, &snapshots->last))
		return 0;
	describe(snapshots, when, next);
	key = bl_key_run(snapshots->run, BL_KEY_MANIFEST, next->attempt, next->seq);
	if (write_manifest(snapshots, upload->store, upload->call, next, key.text, err)) {
		bl_upload_failed(upload, err);
		return -1;
	}
	out->published = true;
	out->seq = next->seq;
	snprintf(out->manifest, sizeof(out->manifest), "%.*s", BL_RUN_KEY_SIZE - 1, key.text);
	out->new_files = upload->new_files;
	out->new_bytes = upload->new_bytes;
	for (size_t i = 0; i < next->n; i++) {
		out->files += next->entries[i].key != NULL;
		out->bytes += next->entries[i].size;
	}
	return 0;
}

static int take(struct bl_snapshots *snapshots, struct bl_upload *upload,
                const struct bl_snapshot_when *when, struct bl_published *out, struct bl_err *err)
{
	BL_AUTO(bl_manifest) next = BL_MANIFEST;
	BL_AUTO(bl_pieces) pieces = { 0 };
	int64_t mono_ms = bl_mono_ms();
	struct bl_judging judging = {
		.tree = upload->tree,
		.last = &snapshots->last,
		.seen = &snapshots->seen,
		.when = when,
		.mono_ms = mono_ms,
		.wall_steady = wall_is_steady(snapshots, when->now_wall_ms, mono_ms),
	};

	if (bl_seen_update(&snapshots->seen, upload->tree, mono_ms, err) ||
	    bl_pieces_find(&judging, &pieces, err))
		return -1;
	snapshots->seq++;
	upload->prefix = bl_key_run(snapshots->run, BL_KEY_CHECKPOINT, snapshots->attempt,
	                            snapshots->seq, "");
	if (publish(snapshots, upload, &pieces, when, &next, out, err)) {
		bl_upload_undo(upload, &next, 0);
		return -1;
	}
	forget_old_losses(snapshots);
	if (!out->published) {
		snapshots->seq -= !upload->began; /* a number that no key has seen serves again */
		return 0;
	}
	bl_manifest_done(&snapshots->last);
	snapshots->last = next;
	next = BL_MANIFEST;
	return 0;
}

int bl_snapshots_take(struct bl_snapshots *snapshots, struct bl_store *store,
                      const struct bl_call *call, const struct bl_snapshot_when *when,
                      struct bl_published *out, struct bl_err *err)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_upload upload = {
		.store = store, .call = call, .tree = &tree, .last = &snapshots->last
	};
	struct bl_published got = { 0 };

	if (bl_tree_read(snapshots->path, &tree, err)) {
		if (err->code != BL_ENOENT)
			return bl_wrap(err, "snapshot of the checkpoints");
		bl_err_clear(err);
		*out = got;
		return 0;
	}
	if (learn(snapshots, &upload, err) || take(snapshots, &upload, when, &got, err))
		return bl_wrap(err, "snapshot of the checkpoints in '%s'", snapshots->path);
	*out = got;
	return 0;
}
