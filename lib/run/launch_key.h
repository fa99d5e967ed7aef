/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_KEY_H
#define BL_RUN_LAUNCH_KEY_H

#include "run/attempt.h"
#include "run/run.h"

/*
 * One workflow job is one run, however often it is launched (design 4.2): index/launches/KEY.json
 * names the run, created once before anything else of it.
 */
#define BL_LAUNCH_KEY_SIZE 33 /* 32 hex digits and a NUL */

struct bl_launch_id {
	const char *repository_id; /* GitHub's */
	const char *workflow_run;  /* GITHUB_RUN_ID */
	const char *job;           /* of the workflow and of branchline.yaml: "train/eval" */
	const char *matrix;        /* what tells jobs of one matrix apart */
	const char *run_attempt;   /* GITHUB_RUN_ATTEMPT after a failure, else NULL */
};
/* Pure: of SHA-256, unambiguous whatever the parts hold. */
BL_MUST int bl_launch_key(const struct bl_launch_id *id, char key[BL_LAUNCH_KEY_SIZE],
                          struct bl_err *err);
/* "index/launches/KEY.json" */
void bl_launch_key_path(const char *key, char path[64]);

/* What a key that is taken means for whoever comes with it again: pure. */
enum bl_adopt {
	BL_ADOPT_CREATE,   /* nobody had it, or its run.json was never written: make the run */
	BL_ADOPT_GO_ON,    /* no outcome: the same run, bought if it is not yet */
	BL_ADOPT_DONE,     /* it succeeded: nothing to buy */
	BL_ADOPT_NEXT_KEY, /* it failed: look with GITHUB_RUN_ATTEMPT in the key */
	BL_ADOPT_FAILED,   /* it failed within this very attempt of the job */
};
enum bl_adopt bl_launch_adopt(bool has_key, bool has_run, const struct bl_outcome *outcome,
                              bool attempt_joined);

/* The run that a key names; BL_ENOENT: nobody had it. */
BL_MUST int bl_launch_key_read(struct bl_store *store, const char *key, char run[BL_RUN_SIZE],
                               struct bl_err *err);
/* Takes the key for `run`, or learns whose it is: `run` is the one that counts. */
BL_MUST int bl_launch_key_take(struct bl_store *store, const char *key, char run[BL_RUN_SIZE],
                               struct bl_err *err);

/*
 * D of design 4.9, pure: now + what is left of max_runtime + grace + flush_reserve + 1 min.
 * spent_ms: of earlier attempts. BL_EDEADLINE: nothing is left.
 */
BL_MUST int bl_launch_deadline(const struct bl_run *run, int64_t now_ms, int64_t spent_ms,
                               int64_t *deadline_ms, struct bl_err *err);

#endif
