/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/failpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct known {
	struct bl_checkpoint_id id;
	struct bl_manifest manifest;
	bool readable, kept;
};

struct pruning {
	struct bl_store *store;
	const char *run;
	struct known *known; /* newest first */
	size_t n;
	bool has_unread;   /* an unreadable manifest stays: nobody knows what it names */
	const char **keys; /* that kept manifests name, sorted */
	size_t n_keys;
	struct bl_buf doomed; /* keys to delete, each with its NUL */
};

static void pruning_done(struct pruning *job)
{
	for (size_t i = 0; i < job->n; i++)
		bl_manifest_done(&job->known[i].manifest);
	free(job->known);
	free(job->keys);
	bl_buf_done(&job->doomed);
}

static void free_ids(struct bl_checkpoint_id **ids)
{
	free(*ids);
}

static struct bl_key manifest_key(const struct pruning *job, size_t i)
{
	return bl_key_run(job->run, BL_KEY_MANIFEST, job->known[i].id.attempt,
	                  job->known[i].id.seq);
}

static int read_known(struct pruning *job, struct bl_err *err)
{
	__attribute__((cleanup(free_ids))) struct bl_checkpoint_id *ids = NULL;
	size_t n = 0;

	if (bl_checkpoint_list(job->store, NULL, job->run, &ids, &n, 0, NULL, err))
		return -1;
	job->known = calloc(n + 1, sizeof(*job->known));
	if (!job->known)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (; job->n < n; job->n++) {
		struct known *known = &job->known[job->n];

		known->id = ids[job->n];
		known->readable = !bl_manifest_read(job->store, manifest_key(job, job->n).text,
		                                    &known->manifest, err);
		if (known->readable)
			continue;
		if (err->code != BL_ECORRUPT && err->code != BL_ELIMIT)
			return -1;
		bl_err_clear(err);
	}
	return 0;
}

static bool is_better(double a, double b, bool goal_min)
{
	return goal_min ? a < b : a > b;
}

static struct known *find_best(const struct pruning *job, bool goal_min)
{
	struct known *best = NULL;

	for (size_t i = 0; i < job->n; i++) {
		struct known *known = &job->known[i];

		if (known->readable && isfinite(known->manifest.primary_value) &&
		    (!best || is_better(known->manifest.primary_value, best->manifest.primary_value,
		                        goal_min)))
			best = known;
	}
	return best;
}

static void choose_kept(struct pruning *job, unsigned keep, bool keep_best, bool goal_min)
{
	struct known *best = keep_best ? find_best(job, goal_min) : NULL;
	unsigned left = keep ? keep : 1;

	for (size_t i = 0; i < job->n; i++) {
		job->known[i].kept = left > 0;
		if (job->known[i].readable)
			left -= left > 0;
		else if (job->known[i].kept)
			job->has_unread = true;
	}
	if (best)
		best->kept = true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_keys(struct pruning *job, struct bl_err *err)
{
	size_t most = 1;

	for (size_t i = 0; i < job->n; i++)
		most += job->known[i].kept ? job->known[i].manifest.n : 0;
	job->keys = calloc(most, sizeof(*job->keys));
	if (!job->keys)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < job->n; i++) {
		const struct bl_manifest *manifest = &job->known[i].manifest;

		for (size_t k = 0; job->known[i].kept && k < manifest->n; k++)
			if (manifest->entries[k].key)
				job->keys[job->n_keys++] = manifest->entries[k].key;
	}
	if (job->n_keys)
		qsort(job->keys, job->n_keys, sizeof(*job->keys), by_text);
	return 0;
}

/* An object of a folder younger than every manifest is of a snapshot that is still being made. */
static int doom(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct pruning *job = arg;
	struct bl_checkpoint_id id;
	const char *rest;

	if (!bl_checkpoint_key(item->key, job->run, &id, &rest) || *rest != '/' ||
	    bl_checkpoint_id_less(job->known[0].id, id))
		return 0;
	if (job->n_keys && bsearch(&item->key, job->keys, job->n_keys, sizeof(*job->keys), by_text))
		return 0;
	bl_buf_add(&job->doomed, item->key, strlen(item->key) + 1);
	return bl_buf_check(&job->doomed, "keys to delete", err);
}

static int delete_manifests(struct pruning *job, unsigned *removed, struct bl_err *err)
{
	for (size_t i = job->n; i-- > 0;) { /* oldest first */
		if (job->known[i].kept)
			continue;
		BL_FAILPOINT("checkpoint.prune.manifest");
		if (bl_store_delete(job->store, NULL, manifest_key(job, i).text, err))
			return -1;
		++*removed;
	}
	return 0;
}

static int delete_objects(struct pruning *job, struct bl_err *err)
{
	if (job->has_unread || !job->n)
		return 0;
	if (collect_keys(job, err) ||
	    bl_store_list(job->store, NULL, bl_key_run(job->run, "checkpoints/").text, NULL, 0,
	                  doom, job, err))
		return -1;
	for (size_t at = 0; at < job->doomed.len; at += strlen(job->doomed.data + at) + 1)
		if (bl_store_delete(job->store, NULL, job->doomed.data + at, err))
			return -1;
	return 0;
}

int bl_checkpoint_prune(struct bl_store *store, const char *run, unsigned keep, bool keep_best,
                        bool goal_min, unsigned *removed, struct bl_err *err)
{
	__attribute__((cleanup(pruning_done))) struct pruning job = {
		.store = store, .run = run, .doomed = BL_BUF((size_t)256 << 20)
	};
	unsigned count = 0;

	if (read_known(&job, err))
		return bl_wrap(err, "prune the checkpoints of %s", run);
	choose_kept(&job, keep, keep_best, goal_min);
	if (delete_manifests(&job, &count, err) || delete_objects(&job, err))
		return bl_wrap(err, "prune the checkpoints of %s", run);
	*removed = count;
	return 0;
}
