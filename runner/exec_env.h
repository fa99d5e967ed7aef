/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_EXEC_ENV_H
#define BL_RUNNER_EXEC_ENV_H

#include "base/buf.h"
#include "codec/value.h"

/*
 * The environment of the training command: ours, and what design 4.5 adds. Pure.
 * RANK, WORLD_SIZE, MASTER_* and TORCHELASTIC_RUN_ID are never added: only a launcher sets them.
 */
struct exec_env_facts {
	const char *root;            /* "/opt/ml" */
	const char *const *channels; /* names, sorted */
	size_t n_channels;
	const struct bl_value *hyperparameters; /* map, or NULL */
	const struct bl_value *env;             /* map of texts to set over ours, or NULL */
	const struct bl_value *resources;       /* SageMaker's resourceconfig.json, or NULL */
	int64_t gpus, cpus;
	bool has_code;    /* root/code is there */
	const char *mark; /* BRANCHLINE_EXEC_ID: finds the command's processes again */
};

struct exec_env {
	struct bl_buf text; /* NAME=VALUE texts with their NULs */
	char **vars;        /* NULL-terminated, into text and the base; owned */
};
#define EXEC_ENV ((struct exec_env){ .text = BL_BUF((size_t)16 << 20) })

#define EXEC_MARK_NAME "BRANCHLINE_EXEC_ID"

/*
 * What base or the map sets already stays, but for the mark and PYTHONPATH, which code is put in
 * front of. BL_EINPUT: a name that no variable may have, a value that is no scalar.
 */
BL_MUST int exec_env_build(const struct exec_env_facts *facts, char *const *base,
                           struct exec_env *out, struct bl_err *err);
void exec_env_done(struct exec_env *env);

#endif
