/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CLI_LOCAL_H
#define BL_ACTIONS_CLI_LOCAL_H

#include "codec/git.h"
#include "run/attempt.h"
#include "run/config.h"
#include "run/mask.h"
#include "run/run.h"
#include "run/spec.h"

#include <limits.h>

#define LOCAL_CHANNELS_MAX 32

/* What one `branchline local` knows. */
struct local {
	struct bl_config config;
	struct bl_git git;
	char root[PATH_MAX]; /* of the repository; without git: the current directory */
	char cwd[PATH_MAX];  /* where the command starts */
	char config_root
		[PATH_MAX]; /* directory of branchline.yaml: relative data paths start there */
	char store_uri[PATH_MAX + 8];
	struct bl_store *store;
	char repo_key[17];
	char run[BL_RUN_SIZE];
	struct bl_buf patch;
	char patch_sha256[BL_SHA256_HEX]; /* "" clean */
	size_t n_channels;
	struct bl_spec_channel channels[LOCAL_CHANNELS_MAX];
	char channel_uris[LOCAL_CHANNELS_MAX][PATH_MAX + 8];
	char channel_digests[LOCAL_CHANNELS_MAX][BL_SHA256_HEX];
	char data_digest[BL_SHA256_HEX];
	char parent_run[BL_RUN_SIZE]; /* "" none */
	char parent_manifest[BL_RUN_KEY_SIZE], parent_crc[16];
	struct bl_mask *mask;
	int out_fd; /* where the training's output goes */
};

void local_done(struct local *local);

/* The data of every channel: there, whole, counted. BL_EDATA names the first bad record. */
BL_MUST int local_check_data(struct local *local, struct bl_err *err);

/* HEAD, tree and, when dirty, the patch. */
BL_MUST int local_read_git(struct local *local, struct bl_err *err);

/* Secrets come from variables of the same name: BL_EINPUT names one that is missing. */
BL_MUST int local_secrets(struct local *local, struct bl_err *err);

/* A checkpoint path outside the work directory must be absent or empty before attempt 1. */
BL_MUST int local_checkpoints_free(const struct local *local, struct bl_err *err);

/* Stores the patch and run.json of a new run; local->run is its id. */
BL_MUST int local_create_run(struct local *local, struct bl_err *err);

/*
 * --resume of a run without outcome: nothing that decides what it computes may differ. BL_EINPUT
 * names the first difference and the way out. flags: those given with --resume.
 */
BL_MUST int local_same(const struct local *local, const struct bl_run *run,
                       const struct bl_config_flag *flags, size_t n_flags, struct bl_err *err);

/* Of a run with outcome: its newest checkpoint becomes the new run's parent. */
BL_MUST int local_parent(struct local *local, const char *run, struct bl_err *err);

/*
 * Starts host for local->run and shows what happens until it has ended; how, the store tells. -1
 * when host failed before the attempt began, or could not be started.
 */
BL_MUST int local_watch(struct local *local, bool resume, struct bl_err *err);

#endif
