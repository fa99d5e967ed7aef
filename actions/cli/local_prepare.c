/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"
#include "actions/place.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATCH_MAX_BYTES (64u << 20)

void local_done(struct local *local)
{
	bl_config_done(&local->config);
	bl_buf_done(&local->patch);
	bl_mask_free(local->mask);
	bl_store_close(local->store);
}

int local_read_git(struct local *local, struct bl_err *err)
{
	local->patch = BL_BUF(PATCH_MAX_BYTES);
	if (bl_git_repo_key(&local->git, local->root, local->repo_key, err))
		return -1;
	if (!local->git.found || !local->git.dirty)
		return 0;
	if (bl_git_patch(local->git.root, &local->patch, err)) {
		bl_wrap(err, "save the uncommitted changes");
		return bl_next(err, "commit them, or add large files to .gitignore");
	}
	return bl_sha256_of(bl_buf_text(&local->patch), local->patch.len, local->patch_sha256, err);
}

int local_secrets(struct local *local, struct bl_err *err)
{
	const struct bl_value *secrets = bl_config_value(&local->config, "secrets");

	if (bl_mask_new(&local->mask, err))
		return -1;
	for (size_t i = 0; secrets && secrets->type == BL_MAP && i < secrets->n; i++) {
		const char *name = secrets->items[i]->key, *value = getenv(name);

		if (!value) {
			bl_fail(err, BL_EINPUT, "secret %s: no variable of that name is set", name);
			return bl_next(err,
			               "here a secret comes from the environment: export %s=...",
			               name);
		}
		if (bl_mask_add(local->mask, value, err))
			return -1;
	}
	return 0;
}

static int stop_at_first(void *arg, int dir, const char *name, unsigned char type,
                         struct bl_err *err)
{
	(void)arg;
	(void)dir;
	(void)type;
	(void)err;
	(void)name;
	return 1;
}

int local_checkpoints_free(const struct local *local, struct bl_err *err)
{
	const char *path = bl_config_text(&local->config, "checkpoints.path");
	char absolute[PATH_MAX * 2];
	struct bl_err opened = { 0 };
	BL_FD dir = -1;

	if (!bl_config_checkpoints(&local->config) || !path || bl_str_starts(path, "/opt/ml/"))
		return 0;
	if (path[0] == '/')
		snprintf(absolute, sizeof(absolute), "%s", path);
	else
		snprintf(absolute, sizeof(absolute), "%s/%s", local->cwd, path);
	if (bl_fs_open_dir(absolute, &dir, &opened)) {
		if (opened.code == BL_ENOENT)
			return 0;
		*err = opened;
		return bl_wrap(err, "checkpoints.path");
	}
	int rc = bl_fs_list(dir, ".", stop_at_first, NULL, err);
	if (!rc)
		return 0;
	if (rc < 0)
		return bl_wrap(err, "checkpoints.path");
	bl_fail(err, BL_EINPUT,
	        "checkpoints.path '%s' is not empty: its files would pass for this run's",
	        absolute);
	return bl_next(err,
	               "move them away, continue their run with --resume, or set checkpoints.path");
}

static int store_patch(struct local *local, const char *key, struct bl_err *err)
{
	if (!*local->patch_sha256)
		return 0;
	return bl_store_put(local->store, NULL, key, bl_buf_text(&local->patch), local->patch.len,
	                    err);
}

static int store_spec(struct local *local, const struct bl_spec *spec, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_DOC_MAX);
	struct bl_key key = bl_key_run(local->run, "run.json");

	bl_spec_write(spec, &text);
	if (bl_buf_check(&text, "run.json", err))
		return -1;
	BL_FAILPOINT("local.run.before");
	if (bl_store_put_once(local->store, NULL, key.text, bl_buf_text(&text), text.len, err))
		return -1;
	BL_FAILPOINT("local.run.after");
	return 0;
}

int local_create_run(struct local *local, struct bl_err *err)
{
	char name[PATH_MAX], nonce[BL_NONCE_SIZE];
	const char *actor = getenv("USER");
	struct bl_key patch_key;
	struct bl_spec_parent parent = { local->parent_run, local->parent_manifest,
		                         local->parent_crc };
	struct bl_spec spec = {
		.run = local->run,
		.nonce = nonce,
		.kind = "local",
		.created_ms = bl_wall_ms(),
		.actor = actor ? actor : "",
		.config = &local->config,
		.git = &local->git,
		.repo_key = local->repo_key,
		.channels = local->channels,
		.n_channels = local->n_channels,
		.data_digest = local->data_digest,
		.parents = &parent,
		.n_parents = *local->parent_run ? 1 : 0,
		.engine = "process",
		.root = local->root,
		.cwd = local->cwd,
	};

	if (bl_run_id_make(spec.created_ms, local->git.sha, local->run, err) ||
	    bl_str_random(nonce, sizeof(nonce) - 1, err))
		return -1;
	patch_key = bl_key_run(local->run, "patch.diff");
	if (*local->patch_sha256) {
		spec.patch_key = patch_key.text;
		spec.patch_sha256 = local->patch_sha256;
	}
	spec.repo_name = place_repo_name(&local->git, local->root, name, sizeof(name));
	if (store_patch(local, patch_key.text, err) || store_spec(local, &spec, err))
		return bl_wrap(err, "store run %s", local->run);
	return 0;
}
