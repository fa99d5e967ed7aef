/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"
#include "codec/json.h"
#include "run/checkpoint.h"

#include <stdio.h>
#include <string.h>

static int differs(const char *what, const char *then, const char *now, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "resume: another %s: the run has '%s', here is '%s'", what, then,
	        now);
	return bl_next(err, "bring it back as it was, or end the run with `branchline stop` and "
	                    "resume it: a new run then goes on from its checkpoint");
}

/* Often the run's own doing: files that it wrote into the repository. */
static int other_changes(const char *patch, const struct local *local, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT,
	        "resume: the uncommitted changes are not the run's: %.12s, not %.12s",
	        *local->patch_sha256 ? local->patch_sha256 : "none", *patch ? patch : "none");
	return bl_next(err, "`git status` shows them: files that the run wrote go into "
	                    ".git/info/exclude, edits back; or end the run with `branchline stop` "
	                    "and resume it: a new run then goes on from its checkpoint");
}

/* A flag may be given again with the value that the run has. */
static int same_flags(const struct local *local, const struct bl_run *run,
                      const struct bl_config_flag *flags, size_t n_flags, struct bl_err *err)
{
	const struct bl_value *stored = bl_value_get(run->doc, "config");

	for (size_t i = 0; i < n_flags; i++) {
		const struct bl_config_key *key = bl_config_find_flag(flags[i].name);
		const char *name = key ? key->name : "command";
		const struct bl_value *then = bl_value_path(stored, name);
		const struct bl_value *now = bl_value_path(local->config.tree, name);
		BL_AUTO(bl_buf) a = BL_BUF(120);
		BL_AUTO(bl_buf) b = BL_BUF(120);
		struct bl_json json_a = BL_JSON(&a), json_b = BL_JSON(&b);

		if (then && now && bl_value_equal(then, now))
			continue;
		bl_json_value(&json_a, NULL, then);
		bl_json_value(&json_b, NULL, now);
		return differs(name, bl_buf_text(&a), bl_buf_text(&b), err);
	}
	return 0;
}

int local_same(const struct local *local, const struct bl_run *run,
               const struct bl_config_flag *flags, size_t n_flags, struct bl_err *err)
{
	const char *head = bl_value_text_or(run->doc, "git.head", "");
	const char *patch = bl_value_text_or(run->doc, "git.patch_sha256", "");
	const char *data = bl_value_text_or(run->doc, "data.digest", "");

	if (strcmp(head, local->git.sha) != 0)
		return differs("commit", head, local->git.sha, err);
	if (strcmp(patch, local->patch_sha256) != 0)
		return other_changes(patch, local, err);
	if (same_flags(local, run, flags, n_flags, err))
		return -1;
	if (strcmp(data, local->data_digest) != 0)
		return differs("data digest", data, local->data_digest, err);
	return 0;
}

int local_parent(struct local *local, const char *run, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_DOC_MAX);
	uint64_t crc;

	if (bl_checkpoint_newest(local->store, run, local->parent_manifest,
	                         sizeof(local->parent_manifest), err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_EINPUT, "run %s has ended and has no checkpoint to go on from",
		        run);
		return bl_next(err, "start a new run without --resume");
	}
	if (bl_store_get(local->store, NULL, local->parent_manifest, &text, err))
		return -1;
	crc = bl_crc64nvme(0, bl_buf_text(&text), text.len);
	bl_crc64nvme_text(crc, local->parent_crc);
	snprintf(local->parent_run, sizeof(local->parent_run), "%s", run);
	return 0;
}
