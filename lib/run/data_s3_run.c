/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/checkpoint.h"
#include "run/data_s3_parts.h"
#include "run/metrics.h"
#include "run/outcome.h"
#include "run/resolve.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MANIFEST_TAIL ".manifest.json"
#define FORMS "run://RUN/outputs, run://RUN/checkpoints/newest or run://RUN/checkpoints/best"

/* "run://QUERY/outputs/BELOW" or "run://QUERY/checkpoints/WHICH/BELOW". */
struct parts {
	char query[128], which[32]; /* which: "" outputs */
	const char *below;          /* "" all of it */
};

static int bad_form(const char *uri, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "'%.200s' names no data of a run", uri);
	return bl_next(err, "write " FORMS);
}

/* The name after a slash: where it ends. NULL: it is another. */
static const char *after(const char *path, const char *name)
{
	size_t len = strlen(name);

	if (*path != '/' || strncmp(path + 1, name, len) != 0)
		return NULL;
	path += 1 + len;
	return !*path || *path == '/' ? path : NULL;
}

static int read_uri(const char *uri, struct parts *out, struct bl_err *err)
{
	const char *query = uri + strlen("run://"), *rest;
	size_t len = strcspn(query, "/"), which;

	*out = (struct parts){ 0 };
	if (!len || len >= sizeof(out->query))
		return bad_form(uri, err);
	memcpy(out->query, query, len);
	/* what these mean changes with time and place: run.json is to say what is trained on */
	if (!strcmp(out->query, "latest") || strpbrk(out->query, "@:")) {
		bl_fail(err, BL_EINPUT, "'%.200s': the run must be named itself", uri);
		return bl_next(err, "write its id, or the last 4 characters of it: branchline runs "
		                    "lists them");
	}
	rest = after(query + len, "outputs");
	if (!rest) {
		rest = after(query + len, "checkpoints");
		which = rest && *rest ? strcspn(rest + 1, "/") : 0;
		if (!which || which >= sizeof(out->which))
			return bad_form(uri, err);
		memcpy(out->which, rest + 1, which);
		rest += 1 + which;
	}
	out->below = rest + (*rest == '/');
	return 0;
}

/* --- Which manifest --------------------------------------------------------------------------- */

static int read_outputs(struct bl_store *store, const char *run, struct bl_manifest *out,
                        struct bl_err *err)
{
	struct bl_outcome outcome;

	if (bl_outcome_read(store, run, &outcome, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_EDATA, "run %s has not ended: it has no outputs yet", run);
		return bl_next(err, "wait for its end, or use its checkpoints/newest");
	}
	return bl_outputs_read(store, run, outcome.attempt, out, err);
}

struct best {
	struct bl_store *store;
	const char *run;
	bool goal_min, goal_known;
	const struct bl_run *spec;
	double value;
	char key[BL_RUN_KEY_SIZE]; /* "": none has a value */
};

static bool goal_is_min(const struct bl_run *spec, const char *primary)
{
	const struct bl_value *goal =
		bl_value_get(bl_value_path(spec->config, "metrics.goals"), primary);

	return goal && goal->text ? !strcmp(goal->text, "min") : bl_metric_goal_is_min(primary);
}

static int weigh(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct best *best = arg;
	struct bl_err unread = { 0 };

	if (item->is_prefix || !bl_str_ends(item->key, MANIFEST_TAIL))
		return 0;
	if (bl_manifest_read(best->store, item->key, &manifest, &unread)) {
		if (unread.code == BL_ENOENT || unread.code == BL_ECORRUPT)
			return 0; /* pruned meanwhile, or none to be restored either */
		*err = unread;
		return -1;
	}
	if (isnan(manifest.primary_value))
		return 0;
	if (!best->goal_known)
		best->goal_min = goal_is_min(best->spec, manifest.primary);
	best->goal_known = true;
	if (best->key[0] && !(best->goal_min ? manifest.primary_value < best->value
	                                     : manifest.primary_value > best->value))
		return 0;
	best->value = manifest.primary_value;
	snprintf(best->key, sizeof(best->key), "%s", item->key);
	return 0;
}

static int find_best(struct bl_store *store, const char *run, char key[BL_RUN_KEY_SIZE],
                     struct bl_err *err)
{
	BL_AUTO(bl_run) spec = { 0 };
	struct best best = { .store = store, .run = run, .spec = &spec };

	if (bl_run_read(store, run, &spec, err) ||
	    bl_store_list(store, NULL, bl_key_run(run, "checkpoints/").text, NULL, '/', weigh,
	                  &best, err))
		return -1;
	if (!best.key[0]) {
		bl_fail(err, BL_EDATA, "no checkpoint of run %s has a value of its primary metric",
		        run);
		return bl_next(err, "use run://%s/checkpoints/newest", run);
	}
	memcpy(key, best.key, BL_RUN_KEY_SIZE);
	return 0;
}

static int checkpoint_key(struct bl_store *store, const char *run, const char *which,
                          char key[BL_RUN_KEY_SIZE], struct bl_err *err)
{
	if (!strcmp(which, "newest"))
		return bl_checkpoint_newest(store, run, key, BL_RUN_KEY_SIZE, err);
	if (!strcmp(which, "best"))
		return find_best(store, run, key, err);
	if (strlen(which) != strlen("001-000017") || which[strspn(which, "0123456789-")]) {
		bl_fail(err, BL_EINPUT, "'%s' is no checkpoint", which);
		return bl_next(err, "write newest, best or N-SEQ, as 001-000017");
	}
	snprintf(key, BL_RUN_KEY_SIZE, "runs/%s/checkpoints/%.10s" MANIFEST_TAIL, run, which);
	return 0;
}

/* "runs/RUN/checkpoints/002-000017.manifest.json": "002-000017". */
static void pin_checkpoint(const char *key, char which[32])
{
	const char *name = strrchr(key, '/');

	name = name ? name + 1 : key;
	snprintf(which, 32, "%.*s", (int)strcspn(name, "."), name);
}

/* --- What it holds ---------------------------------------------------------------------------- */

/* The path below `below`, or NULL; of `below` itself its last name. */
static const char *name_below(const char *path, const char *below)
{
	size_t len = strlen(below);
	const char *slash = strrchr(path, '/');

	while (len && below[len - 1] == '/')
		len--;
	if (!len)
		return path;
	if (strncmp(path, below, len) != 0)
		return NULL;
	if (!path[len])
		return slash ? slash + 1 : path;
	return path[len] == '/' ? path + len + 1 : NULL;
}

static int take_entries(const struct bl_manifest *manifest, const struct bl_data_channel *channel,
                        const char *below, struct bl_data_objects *out, struct bl_err *err)
{
	for (size_t i = 0; i < manifest->n; i++) {
		const struct bl_entry *entry = &manifest->entries[i];
		const char *name = name_below(entry->path, below);
		char crc[BL_CRC64_TEXT];

		if (!entry->key || !name || !bl_data_is_included(channel->include, name))
			continue;
		bl_crc64nvme_text(entry->crc, crc);
		if (bl_data_objects_add(out, name, entry->key, crc, entry->size, false, err))
			return -1;
	}
	if (out->n)
		return 0;
	return bl_fail(err, BL_EDATA, "'%s' holds no file", channel->uri);
}

int bl_data_run_list(struct bl_store *store, const struct bl_data_channel *channel,
                     struct bl_data_objects *out, struct bl_data_place *place, struct bl_err *err)
{
	static const struct bl_resolve_context nowhere;
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	char run[BL_RUN_SIZE], key[BL_RUN_KEY_SIZE];
	struct parts parts;
	int len;

	if (read_uri(channel->uri, &parts, err) ||
	    bl_run_resolve(store, parts.query, &nowhere, run, err))
		return -1;
	if (!parts.which[0]) {
		if (read_outputs(store, run, &manifest, err))
			return -1;
	} else {
		if (checkpoint_key(store, run, parts.which, key, err) ||
		    bl_manifest_read(store, key, &manifest, err))
			return -1;
		pin_checkpoint(key, parts.which);
	}
	len = snprintf(place->uri, sizeof(place->uri), "run://%s/%s%s%s%s", run,
	               parts.which[0] ? "checkpoints/" : "outputs", parts.which,
	               *parts.below ? "/" : "", parts.below);
	if (len < 0 || (size_t)len >= sizeof(place->uri))
		return bl_fail(err, BL_EINPUT, "'%.100s...' is over %zu bytes", channel->uri,
		               sizeof(place->uri) - 1);
	return take_entries(&manifest, channel, parts.below, out, err);
}
