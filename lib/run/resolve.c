/* SPDX-License-Identifier: Apache-2.0 */
#include "run/resolve.h"

#include "base/str.h"
#include "run/run.h"
#include "run/store_warm.h"

#include <stdio.h>
#include <string.h>

#define NAMED_MAX 8 /* candidates in a message */
#define SHA_IN_ID 8
#define SHA_AT 17 /* of an id: after "20261124T080301Z-" */
#define TAIL_AT 26
#define STAMP_LEN 16
#define AHEAD 32
#define NEAR 1 /* edits between what was typed and what was meant */

static int fail_empty(const struct bl_store *store, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "there is no run in %s yet", bl_store_uri(store));
	return bl_next(err, "start one with `branchline local`, or name another --store");
}

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdef")] == '\0';
}

static bool is_commit(const char *query)
{
	size_t len = strlen(query);

	return len >= 7 && len <= 40 && is_hex(query);
}

static bool wants(const char *wanted, const char *is)
{
	return !wanted || !*wanted || !strcmp(wanted, is);
}

/* What a run must have; texts NULL or "", pr 0: does not matter. */
struct wanted {
	const char *repository, *branch, *job;
	int64_t pr;
};

static bool is_wanted(const struct wanted *wanted, const struct bl_run *run)
{
	return wants(wanted->repository, run->repository_key) &&
	       wants(wanted->branch, run->branch) && wants(wanted->job, run->job) &&
	       (!wanted->pr || wanted->pr == run->pr);
}

/* Mostly the first is the one; else the next come many at once. */
static int read_ahead(struct bl_store *store, const struct bl_run_ids *list, size_t from,
                      struct bl_err *err)
{
	static const char *const wanted[] = { "run.json" };
	size_t left = list->n - from;

	if (from % AHEAD != 1 || !bl_store_is_remote(bl_store_uri(store)))
		return 0;
	return bl_run_ids_fetch(store, list, from, left < AHEAD ? left : AHEAD, wanted, 1, err);
}

/* The newest of `list` that fits; BL_ENOENT. */
static int find_newest(struct bl_store *store, const struct bl_run_ids *list,
                       const struct wanted *wanted, char id[BL_RUN_SIZE], struct bl_err *err)
{
	char best[BL_RUN_SIZE] = "";
	int64_t best_ms = 0;

	for (size_t i = 0; i < list->n; i++) {
		BL_AUTO(bl_run) run = { 0 };

		/* ids of one second come in any order: run.json knows the millisecond */
		if (*best && strncmp(best, list->ids[i], STAMP_LEN) != 0)
			break;
		if (read_ahead(store, list, i, err))
			return -1;
		if (bl_run_read(store, list->ids[i], &run, err)) {
			if (err->code != BL_ENOENT && err->code != BL_ECORRUPT)
				return -1;
			bl_err_clear(err); /* one that is being made, removed or torn */
			continue;
		}
		if (is_wanted(wanted, &run) && (!*best || run.created_ms > best_ms)) {
			memcpy(best, run.id, BL_RUN_SIZE);
			best_ms = run.created_ms;
		}
	}
	if (!*best)
		return bl_fail(err, BL_ENOENT, "no such run");
	memcpy(id, best, BL_RUN_SIZE);
	return 0;
}

/* Says what was looked for where find_newest() found none. */
static int explain(const struct bl_run_ids *list, const struct wanted *wanted, struct bl_err *err)
{
	BL_AUTO(bl_buf) what = BL_BUF(400);

	if (err->code != BL_ENOENT)
		return -1;
	if (wanted->pr)
		bl_buf_addf(&what, " of pull request %lld", (long long)wanted->pr);
	if (wanted->job && *wanted->job)
		bl_buf_addf(&what, " of job '%.64s'", wanted->job);
	if (wanted->branch && *wanted->branch)
		bl_buf_addf(&what, " on branch '%.128s'", wanted->branch);
	if (wanted->repository && *wanted->repository)
		bl_buf_adds(&what, " of this repository");
	bl_err_clear(err);
	bl_fail(err, BL_EINPUT, "there is no run%s; the newest of all is %s", bl_buf_text(&what),
	        list->ids[0]);
	return bl_next(err, "`branchline runs` lists them all");
}

static int resolve_newest(struct bl_store *store, const struct bl_run_ids *list,
                          const struct wanted *wanted, char id[BL_RUN_SIZE], struct bl_err *err)
{
	BL_STORE warm = NULL;

	if (bl_store_warm_open(store, &warm, err))
		return -1;
	if (find_newest(warm, list, wanted, id, err))
		return explain(list, wanted, err);
	return 0;
}

struct found {
	size_t n;
	const char *ids[NAMED_MAX]; /* the first of n */
};

static void add_found(struct found *found, const char *id)
{
	if (found->n < NAMED_MAX)
		found->ids[found->n] = id;
	found->n++;
}

/* Longer than what an id holds of it: run.json knows the whole. */
static int is_run_of(struct bl_store *store, const char *id, const char *sha, bool *out,
                     struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };

	*out = false;
	if (strncmp(id + SHA_AT, sha, SHA_IN_ID) != 0)
		return 0;
	if (bl_run_read(store, id, &run, err)) {
		if (err->code != BL_ENOENT && err->code != BL_ECORRUPT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	*out = bl_str_starts(run.head, sha);
	return 0;
}

static int fits(struct bl_store *store, const char *id, const char *query, bool *out,
                struct bl_err *err)
{
	*out = bl_str_starts(id, query) || !strcmp(id + TAIL_AT, query);
	if (*out || !is_commit(query))
		return 0;
	if (strlen(query) > SHA_IN_ID)
		return is_run_of(store, id, query, out, err);
	*out = !strncmp(id + SHA_AT, query, strlen(query));
	return 0;
}

static int fail_several(const char *query, const struct found *found, struct bl_err *err)
{
	BL_AUTO(bl_buf) names = BL_BUF(400);

	for (size_t i = 0; i < found->n && i < NAMED_MAX; i++)
		bl_buf_addf(&names, "%s%s", i ? ", " : "", found->ids[i]);
	if (found->n > NAMED_MAX)
		bl_buf_addf(&names, " and %zu more", found->n - NAMED_MAX);
	bl_fail(err, BL_EINPUT, "'%.40s' may be any of %zu runs: %s", query, found->n,
	        bl_buf_text(&names));
	return bl_next(err, "write the last 4 characters of the one you mean");
}

/* A slip of the keys: in the last 4, or in the whole id. */
static const char *nearest(const struct bl_run_ids *list, const char *query)
{
	size_t len = strlen(query);

	for (size_t i = 0; i < list->n; i++) {
		const char *id = list->ids[i];

		if (len == 4 && bl_str_distance(query, id + TAIL_AT) <= NEAR)
			return id;
		if (len > TAIL_AT && bl_str_distance(query, id) <= 2 * NEAR)
			return id;
	}
	return NULL;
}

static int fail_none(const struct bl_run_ids *list, const char *query, struct bl_err *err)
{
	const char *near = nearest(list, query);

	if (near)
		bl_fail(err, BL_EINPUT, "there is no run '%.64s'; did you mean %s?", query, near);
	else
		bl_fail(err, BL_EINPUT, "there is no run '%.64s'; the newest is %s", query,
		        list->ids[0]);
	return bl_next(err, "`branchline runs` lists them all");
}

static int resolve_text(struct bl_store *store, const struct bl_run_ids *list, const char *query,
                        char id[BL_RUN_SIZE], struct bl_err *err)
{
	struct found found = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		bool fit;

		if (fits(store, list->ids[i], query, &fit, err))
			return -1;
		if (fit)
			add_found(&found, list->ids[i]);
	}
	if (!found.n)
		return fail_none(list, query, err);
	if (found.n > 1)
		return fail_several(query, &found, err);
	memcpy(id, found.ids[0], BL_RUN_SIZE);
	return 0;
}

static int resolve_pr(struct bl_store *store, const struct bl_run_ids *list, const char *number,
                      struct wanted *wanted, char id[BL_RUN_SIZE], struct bl_err *err)
{
	uint64_t pr;

	if (bl_str_u64(number, 1, INT32_MAX, &pr, err)) {
		bl_wrap(err, "run 'pr:%.32s'", number);
		return bl_next(err, "write it as pr:12");
	}
	wanted->pr = (int64_t)pr;
	return resolve_newest(store, list, wanted, id, err);
}

static int resolve_job(struct bl_store *store, const struct bl_run_ids *list, const char *query,
                       struct wanted *wanted, char id[BL_RUN_SIZE], struct bl_err *err)
{
	size_t len = strcspn(query, "@");
	char job[128];

	if (!len || len >= sizeof(job) || !query[len + 1]) {
		bl_fail(err, BL_EINPUT, "'%.64s' is no JOB@BRANCH", query);
		return bl_next(err, "write it as train@main");
	}
	memcpy(job, query, len);
	job[len] = '\0';
	wanted->job = job;
	wanted->branch = query + len + 1;
	return resolve_newest(store, list, wanted, id, err);
}

int bl_run_resolve(struct bl_store *store, const char *query,
                   const struct bl_resolve_context *context, char id[BL_RUN_SIZE],
                   struct bl_err *err)
{
	struct wanted wanted = { .repository = context->repository };
	BL_AUTO(bl_run_ids) list = { 0 };

	if (bl_run_ids_read(store, &list, err))
		return -1;
	if (!list.n)
		return fail_empty(store, err);
	if (!query || !*query || !strcmp(query, "latest")) {
		wanted.branch = context->branch;
		wanted.job = context->job;
		return resolve_newest(store, &list, &wanted, id, err);
	}
	if (bl_str_starts(query, "pr:"))
		return resolve_pr(store, &list, query + strlen("pr:"), &wanted, id, err);
	if (strchr(query, '@'))
		return resolve_job(store, &list, query, &wanted, id, err);
	return resolve_text(store, &list, query, id, err);
}
