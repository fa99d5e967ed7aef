/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX_BYTES ((size_t)64 << 20)

void bl_run_done(struct bl_run *run)
{
	bl_value_free(run->doc);
	*run = (struct bl_run){ 0 };
}

static void take_texts(struct bl_run *run)
{
	const struct {
		const char **to, *path;
	} texts[] = {
		{ &run->kind, "kind" },
		{ &run->job, "job" },
		{ &run->group, "group" },
		{ &run->actor, "actor" },
		{ &run->nonce, "nonce" },
		{ &run->repository_key, "repository.key" },
		{ &run->repository_name, "repository.name" },
		{ &run->head, "git.head" },
		{ &run->base, "git.base" },
		{ &run->tree, "git.tree" },
		{ &run->branch, "git.branch" },
		{ &run->subject, "git.subject" },
		{ &run->patch_key, "git.patch_key" },
		{ &run->config_digest, "config_digest" },
		{ &run->data_digest, "data.digest" },
		{ &run->primary, "config.metrics.primary" },
	};

	for (size_t i = 0; i < BL_COUNT(texts); i++)
		*texts[i].to = bl_value_text_or(run->doc, texts[i].path, "");
}

static const struct bl_value *present(const struct bl_value *doc, const char *path)
{
	const struct bl_value *value = bl_value_path(doc, path);

	return value && value->type != BL_NULL ? value : NULL;
}

static void take_limits(struct bl_run *run)
{
	int64_t retries = bl_value_int_or(run->doc, "limits.retries", 0);

	run->max_runtime_ms = bl_value_int_or(run->doc, "limits.max_runtime_ms", 0);
	run->grace_ms = bl_value_int_or(run->doc, "limits.grace_ms", 0);
	run->flush_reserve_ms = bl_value_int_or(run->doc, "limits.flush_reserve_ms", 0);
	run->max_cost_usd = bl_value_real_or(run->doc, "limits.max_cost_usd", (double)NAN);
	run->retries = retries < 0                 ? 0
	               : retries > BL_ATTEMPTS_MAX ? BL_ATTEMPTS_MAX
	                                           : (unsigned)retries;
}

/* Takes `doc` over. */
static int take_document(struct bl_value *doc, const char *id, struct bl_run *out,
                         struct bl_err *err)
{
	BL_AUTO(bl_run) run = { .doc = doc };
	const char *name;

	if (bl_value_text(doc, "run", &name, err) ||
	    bl_value_int(doc, "created_ms", &run.created_ms, err))
		return bl_wrap(err, "run.json of %s", id);
	if (strcmp(name, id) != 0)
		return bl_fail(err, BL_ECORRUPT, "run.json of %s is that of '%.40s'", id, name);
	snprintf(run.id, sizeof(run.id), "%s", id);
	take_texts(&run);
	take_limits(&run);
	run.pr = bl_value_int_or(doc, "pr", 0);
	run.dirty = bl_value_bool_or(doc, "git.dirty", false);
	run.config = present(doc, "config");
	run.command = present(doc, "command");
	run.hyperparameters = present(doc, "config.hyperparameters");
	run.overrides = present(doc, "overrides");
	run.channels = present(doc, "data.channels");
	run.parents = present(doc, "parents");
	*out = run;
	run.doc = NULL;
	return 0;
}

int bl_run_parse(const char *bytes, size_t len, const char *id, struct bl_run *out,
                 struct bl_err *err)
{
	struct bl_value *doc = NULL;

	if (bl_json_document(bytes, len, "run.json", 1, &doc, err))
		return bl_wrap(err, "run %s", id);
	return take_document(doc, id, out, err);
}

int bl_run_read(struct bl_store *store, const char *id, struct bl_run *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);
	struct bl_value *doc = NULL;
	struct bl_key key;

	if (!bl_run_id_valid(id))
		return bl_fail(err, BL_ENOENT, "'%.64s' is no run id", id);
	key = bl_key_run(id, "run.json");
	if (bl_store_get(store, NULL, key.text, &bytes, err) ||
	    bl_json_document(bl_buf_text(&bytes), bytes.len, key.text, 1, &doc, err))
		return -1;
	return take_document(doc, id, out, err);
}

void bl_run_ids_done(struct bl_run_ids *list)
{
	free(list->ids);
	*list = (struct bl_run_ids){ 0 };
}

/* "runs/RUN/", oldest first; other names below runs/ are none of ours. */
static int note_id(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct bl_buf *ids = arg;
	char id[BL_RUN_SIZE];

	if (!item->is_prefix || strlen(item->key) != strlen("runs/") + BL_RUN_SIZE)
		return 0;
	memcpy(id, item->key + strlen("runs/"), BL_RUN_SIZE - 1);
	id[BL_RUN_SIZE - 1] = '\0';
	if (bl_run_id_valid(id))
		bl_buf_add(ids, id, sizeof(id));
	return bl_buf_check(ids, "list of runs", err);
}

int bl_run_ids_read(struct bl_store *store, struct bl_run_ids *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) ids = BL_BUF(IDS_MAX_BYTES);
	size_t n;

	if (bl_store_list(store, NULL, "runs/", NULL, '/', note_id, &ids, err))
		return -1;
	n = ids.len / BL_RUN_SIZE;
	*out = (struct bl_run_ids){ .n = n };
	if (!n)
		return 0;
	out->ids = calloc(n, sizeof(*out->ids));
	if (!out->ids)
		return bl_fail(err, BL_ENOMEM, "list of runs: out of memory");
	for (size_t i = 0; i < n; i++)
		memcpy(out->ids[n - 1 - i], ids.data + i * BL_RUN_SIZE, BL_RUN_SIZE);
	return 0;
}
