/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_EXEC_CONFIG_H
#define BL_RUNNER_EXEC_CONFIG_H

#include "runner/command.h"

/*
 * What exec is told by ROOT/input/config/branchline.json (host writes it), else by
 * /opt/branchline/exec.json (in the image):
 *
 *   {"schema":1,"command":["python","train.py"],"hyperparameters":{"lr":0.1},
 *    "hyperparameters_as":"flags","env":{"A":"b"},"launcher":"none",
 *    "workdir":"/opt/ml/code","gpus":1,"grace_ms":100000,"max_log_bytes":2147483648,"echo":true}
 *
 * All but schema may be left out. max_log_bytes 0 is the default. SageMaker's hyperparameters.json
 * holds where host gives none, and over those of the image, each by itself.
 */
struct exec_config {
	struct bl_value *doc; /* owned; NULL: no file */
	struct bl_value
		*hyperparameters;       /* owned; SageMaker's when the file has none; NULL: none */
	const struct bl_value *command; /* doc's; NULL: none */
	const struct bl_value *env;     /* doc's map of variables; NULL: none */
	const char *workdir;            /* doc's; NULL: none */
	enum command_style style;
	enum command_launcher launcher;
	int64_t gpus, grace_ms, max_log_bytes;
	bool echo; /* the command's output on our stdout too */
};

#define EXEC_CONFIG                                                                                \
	((struct exec_config){                                                                     \
		.grace_ms = 100000, .max_log_bytes = (int64_t)2 << 30, .gpus = 0, .echo = true })

void exec_config_done(struct exec_config *config);

/* Pure: from the file's bytes. BL_EINPUT (BL_ECORRUPT: no JSON) names `what` and the key. */
BL_MUST int exec_config_parse(const char *bytes, size_t len, const char *what,
                              struct exec_config *out, struct bl_err *err);

/* Reads what there is below the directory root (-1: none). No file at all is a config of defaults.
 */
BL_MUST int exec_config_read(int root, struct exec_config *out, struct bl_err *err);

#endif
