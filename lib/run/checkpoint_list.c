/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_TAIL ".manifest.json"

/* Digits of a key: at most `max`, at least one. */
static bool read_number(const char **at, unsigned long max, unsigned *out)
{
	unsigned long value = 0;
	const char *p = *at;

	for (; *p >= '0' && *p <= '9' && value <= max; p++)
		value = value * 10 + (unsigned long)(*p - '0');
	if (p == *at || value > max)
		return false;
	*out = (unsigned)value;
	*at = p;
	return true;
}

bool bl_checkpoint_key(const char *key, const char *run, struct bl_checkpoint_id *id,
                       const char **rest)
{
	struct bl_key prefix = bl_key_run(run, "checkpoints/");

	if (!bl_str_starts(key, prefix.text))
		return false;
	key += strlen(prefix.text);
	if (!read_number(&key, BL_ATTEMPTS_MAX, &id->attempt) || *key++ != '-' ||
	    !read_number(&key, UINT32_MAX - 1, &id->seq))
		return false;
	*rest = key;
	return true;
}

bool bl_checkpoint_id_less(struct bl_checkpoint_id a, struct bl_checkpoint_id b)
{
	return a.attempt != b.attempt ? a.attempt < b.attempt : a.seq < b.seq;
}

static int newest_first(const void *a, const void *b)
{
	struct bl_checkpoint_id x = *(const struct bl_checkpoint_id *)a;
	struct bl_checkpoint_id y = *(const struct bl_checkpoint_id *)b;

	return bl_checkpoint_id_less(x, y) - bl_checkpoint_id_less(y, x);
}

struct listing {
	const char *run;
	struct bl_checkpoint_id *ids;
	size_t n, cap;
	unsigned attempt, highest;
};

static int visit(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct listing *list = arg;
	struct bl_checkpoint_id id, *ids;
	const char *rest;

	if (!bl_checkpoint_key(item->key, list->run, &id, &rest))
		return 0;
	if (id.attempt == list->attempt && id.seq > list->highest)
		list->highest = id.seq;
	if (item->is_prefix || strcmp(rest, MANIFEST_TAIL) != 0)
		return 0;
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;

		ids = realloc(list->ids, cap * sizeof(*ids));
		if (!ids)
			return bl_fail(err, BL_ENOMEM, "list checkpoints: out of memory");
		list->ids = ids;
		list->cap = cap;
	}
	list->ids[list->n++] = id;
	return 0;
}

int bl_checkpoint_list(struct bl_store *store, const struct bl_call *call, const char *run,
                       struct bl_checkpoint_id **ids, size_t *n, unsigned attempt,
                       unsigned *highest, struct bl_err *err)
{
	struct listing list = { .run = run, .attempt = attempt };

	if (bl_store_list(store, call, bl_key_run(run, "checkpoints/").text, NULL, '/', visit,
	                  &list, err)) {
		free(list.ids);
		return bl_wrap(err, "list the checkpoints of %s", run);
	}
	if (list.n)
		qsort(list.ids, list.n, sizeof(*list.ids), newest_first);
	*ids = list.ids;
	*n = list.n;
	if (highest)
		*highest = list.highest;
	return 0;
}

static void free_ids(struct bl_checkpoint_id **ids)
{
	free(*ids);
}

int bl_checkpoint_newest(struct bl_store *store, const char *run, char *key, size_t size,
                         struct bl_err *err)
{
	__attribute__((cleanup(free_ids))) struct bl_checkpoint_id *ids = NULL;
	struct bl_key name;
	size_t n = 0;

	if (bl_checkpoint_list(store, NULL, run, &ids, &n, 0, NULL, err))
		return -1;
	if (!n)
		return bl_fail(err, BL_ENOENT, "run %s has no checkpoint", run);
	name = bl_key_run(run, BL_KEY_MANIFEST, ids[0].attempt, ids[0].seq);
	if (strlen(name.text) >= size)
		return bl_fail(err, BL_EBUG, "%zu bytes hold no checkpoint key", size);
	snprintf(key, size, "%s", name.text);
	return 0;
}

/* "runs/RUN/...": RUN, or "" when the key has another form. */
static void run_of_key(const char *key, char run[BL_RUN_SIZE])
{
	size_t len;

	run[0] = '\0';
	if (!bl_str_starts(key, "runs/"))
		return;
	key += strlen("runs/");
	len = strcspn(key, "/");
	if (len < BL_RUN_SIZE)
		snprintf(run, BL_RUN_SIZE, "%.*s", (int)len, key);
}

int bl_manifest_read(struct bl_store *store, const char *key, struct bl_manifest *out,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);
	BL_AUTO(bl_manifest) got = BL_MANIFEST;
	struct bl_checkpoint_id id;
	char run[BL_RUN_SIZE];
	const char *rest;

	run_of_key(key, run);
	if (!run[0] || !bl_checkpoint_key(key, run, &id, &rest) || strcmp(rest, MANIFEST_TAIL) != 0)
		return bl_fail(err, BL_EINPUT, "'%s' names no checkpoint manifest", key);
	if (bl_store_get(store, NULL, key, &bytes, err) ||
	    bl_manifest_parse(bl_buf_text(&bytes), bytes.len, key, run,
	                      bl_key_run(run, "checkpoints/").text, &got, err))
		return -1;
	if (got.attempt != id.attempt || got.seq != id.seq)
		return bl_fail(err, BL_ECORRUPT, "%s: it says that it is %03u-%06u", key,
		               got.attempt, got.seq);
	*out = got;
	got = BL_MANIFEST;
	return 0;
}
