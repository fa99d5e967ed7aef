/* SPDX-License-Identifier: Apache-2.0 */
#include "run/index.h"

#include "base/clock.h"
#include "codec/hash.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define ENTRY_MAX_BYTES ((size_t)64 << 10)
#define NAME_MAX_BYTES 200 /* of an encoded name: a file name has 255 */
#define HASH_DIGITS 16
#define DEFAULT_JOB "default"

const char *bl_index_objection(const struct bl_run *run, const struct bl_outcome *outcome)
{
	if (outcome->result.status != BL_STATUS_SUCCESS)
		return "it did not succeed";
	if (run->overrides && run->overrides->n)
		return "it changed what branchline.yaml says";
	if (run->dirty)
		return "its work tree had uncommitted changes";
	if (!*run->tree)
		return "it has no commit";
	return NULL;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

/* Percent-encoded; one over NAME_MAX_BYTES ends in "%-" and a hash, which no encoding does. */
static void encode_name(const char *name, char out[NAME_MAX_BYTES + 1])
{
	size_t len = 0;

	for (const char *at = name; *at; at++) {
		/* a leading dot would make "." and ".." of names */
		bool plain = is_plain(*at) && !(len == 0 && *at == '.');

		if (len + (plain ? 1 : 3) > NAME_MAX_BYTES) {
			snprintf(out + NAME_MAX_BYTES - 2 - HASH_DIGITS, HASH_DIGITS + 3,
			         "%%-%016llx",
			         (unsigned long long)bl_crc64nvme(0, name, strlen(name)));
			return;
		}
		if (plain)
			out[len++] = *at;
		else
			len += (size_t)snprintf(out + len, 4, "%%%02X", (unsigned char)*at);
	}
	out[len] = '\0';
}

struct bl_key bl_index_key(const char *repository, const char *job, const char *folder,
                           const char *name)
{
	char job_part[NAME_MAX_BYTES + 1], name_part[NAME_MAX_BYTES + 1];
	struct bl_key key;

	encode_name(job && *job ? job : DEFAULT_JOB, job_part);
	encode_name(name, name_part);
	snprintf(key.text, sizeof(key.text), "index/%s/%s/%s/%s.json", repository, job_part, folder,
	         name_part);
	return key;
}

struct entry {
	char run[BL_RUN_SIZE];
	char previous[BL_RUN_SIZE]; /* that this one replaced; "" none */
};

/* Absent, or of a shape that we do not know: an empty entry, to be replaced. */
static int read_entry(struct bl_store *store, const char *key, struct entry *out,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(ENTRY_MAX_BYTES);
	BL_VALUE doc = NULL;
	const char *run, *previous;

	*out = (struct entry){ 0 };
	if (bl_store_get(store, NULL, key, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (bl_json_document(bl_buf_text(&bytes), bytes.len, key, 1, &doc, err))
		return -1;
	run = bl_value_text_or(doc, "run", "");
	previous = bl_value_text_or(doc, "previous", "");
	if (!bl_run_id_valid(run))
		return bl_fail(err, BL_ECORRUPT, "%s names no run", key);
	memcpy(out->run, run, BL_RUN_SIZE);
	if (bl_run_id_valid(previous))
		memcpy(out->previous, previous, BL_RUN_SIZE);
	return 0;
}

static int write_entry(struct bl_store *store, const char *key, const struct bl_run *run,
                       const struct bl_outcome *outcome, const char *previous, struct bl_err *err)
{
	BL_AUTO(bl_buf) doc = BL_BUF(ENTRY_MAX_BYTES);
	struct bl_json json = BL_JSON(&doc);
	char at[BL_UTC_SIZE];

	bl_utc_text(outcome->finished_at_ms, at);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run->id);
	bl_json_text(&json, "previous", *previous ? previous : NULL);
	bl_json_text(&json, "repository", run->repository_key);
	bl_json_text(&json, "job", run->job);
	bl_json_text(&json, "branch", run->branch);
	bl_json_text(&json, "tree", run->tree);
	bl_json_text(&json, "head", run->head);
	bl_json_text(&json, "finished_at", at);
	bl_json_end_map(&json);
	if (bl_buf_check(&doc, "index entry", err))
		return -1;
	return bl_store_put(store, NULL, key, doc.data, doc.len, err);
}

static int enter(struct bl_store *store, const struct bl_key *key, const struct bl_run *run,
                 const struct bl_outcome *outcome, bool over_newer, bool *entered,
                 struct bl_err *err)
{
	struct entry stands;
	const char *previous;
	int order;

	if (read_entry(store, key->text, &stands, err)) {
		if (err->code != BL_ECORRUPT)
			return -1;
		bl_err_clear(err); /* replaced by a good one */
	}
	order = strcmp(stands.run, run->id);
	if (order > 0 && !over_newer)
		return 0;
	previous = order ? stands.run : stands.previous;
	if (write_entry(store, key->text, run, outcome, previous, err))
		return -1;
	*entered = true;
	return 0;
}

static int enter_both(struct bl_store *store, const struct bl_run *run,
                      const struct bl_outcome *outcome, bool over_newer, bool *entered,
                      struct bl_err *err)
{
	struct bl_key tree = bl_index_key(run->repository_key, run->job, "trees", run->tree);
	struct bl_key branch = bl_index_key(run->repository_key, run->job, "branches", run->branch);

	if (*run->tree && enter(store, &tree, run, outcome, over_newer, entered, err))
		return -1;
	if (*run->branch && enter(store, &branch, run, outcome, over_newer, entered, err))
		return -1;
	return 0;
}

int bl_index_update(struct bl_store *store, const struct bl_run *run,
                    const struct bl_outcome *outcome, bool *updated, struct bl_err *err)
{
	bool entered = false;

	if (!bl_index_objection(run, outcome) &&
	    enter_both(store, run, outcome, false, &entered, err))
		return bl_wrap(err, "enter run %s as a baseline", run->id);
	*updated = entered;
	return 0;
}

int bl_index_set(struct bl_store *store, const struct bl_run *run, const struct bl_outcome *outcome,
                 struct bl_err *err)
{
	bool entered = false;

	if (outcome->result.status != BL_STATUS_SUCCESS) {
		bl_fail(err, BL_EINPUT, "run %s ended as %s: only a success can be a baseline",
		        run->id, bl_status_word(outcome->result.status));
		return bl_next(err, "`branchline runs` shows which succeeded");
	}
	if (!*run->tree && !*run->branch) {
		bl_fail(err, BL_EINPUT, "run %s has no commit that others could be compared by",
		        run->id);
		return bl_next(err, "name it where it is wanted: report --baseline %s", run->id);
	}
	if (enter_both(store, run, outcome, true, &entered, err))
		return bl_wrap(err, "enter run %s as a baseline", run->id);
	return 0;
}

/* Neither the run itself nor one that was removed since. */
static int can_be_compared(struct bl_store *store, const char *run, const char *self, bool *out,
                           struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, "run.json");
	BL_AUTO(bl_buf) none = BL_BUF(1);

	*out = false;
	if (!*run || (self && !strcmp(run, self)))
		return 0;
	if (!bl_store_get_range(store, NULL, key.text, 0, 0, &none, NULL, err)) {
		*out = true;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int look_up(struct bl_store *store, const struct bl_baseline_query *query,
                   const char *folder, const char *by, const char *name, struct bl_baseline *out,
                   struct bl_err *err)
{
	struct bl_key key = bl_index_key(query->repository, query->job, folder, name);
	struct entry entry;

	if (read_entry(store, key.text, &entry, err))
		return -1;
	const char *const candidates[] = { entry.run, entry.previous };
	for (size_t i = 0; i < BL_COUNT(candidates); i++) {
		bool can;

		if (can_be_compared(store, candidates[i], query->self, &can, err))
			return -1;
		if (!can)
			continue;
		memcpy(out->run, candidates[i], BL_RUN_SIZE);
		snprintf(out->by, sizeof(out->by), "%s", by);
		snprintf(out->name, sizeof(out->name), "%s", name);
		return 0;
	}
	return bl_fail(err, BL_ENOENT, "no baseline by %s", by);
}

int bl_index_baseline(struct bl_store *store, const struct bl_baseline_query *query,
                      struct bl_baseline *out, struct bl_err *err)
{
	const char *tree = query->tree ? query->tree : "";
	bool given = query->branch && *query->branch;
	const struct {
		const char *folder, *by, *name;
	} places[] = {
		{ "trees", "tree", tree },
		{ "branches", "branch", given ? query->branch : "main" },
		{ "branches", "branch", given ? "" : "master" },
	};

	for (size_t i = 0; i < BL_COUNT(places); i++) {
		if (!*places[i].name || (i && query->only_tree))
			continue;
		if (!look_up(store, query, places[i].folder, places[i].by, places[i].name, out,
		             err))
			return 0;
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	bl_fail(err, BL_ENOENT, "there is no baseline of job '%.64s' yet", query->job);
	return bl_next(err,
	               "a run of a clean main branch becomes it; or name one with --baseline RUN");
}
