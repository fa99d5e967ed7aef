/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_COMMAND_H
#define BL_RUNNER_COMMAND_H

#include "codec/value.h"

/*
 * From the configured command to argv, design 4.6. Pure.
 *
 * A list is executed as it is, the hyperparameters appended. A text goes to
 * /bin/sh -c TEXT sh HYPERPARAMETERS..., where they are "$@". Sorted by the bytes of their keys:
 *
 *   flags   --key value; true: --key, false and null: nothing
 *   values  --key value, booleans True and False, null None, one-letter keys -k: as SageMaker does
 *   equals  key=value
 *   none    nothing
 * Lists and maps among them are JSON texts. Keys that begin with "sagemaker_" are left out.
 */
enum command_style { STYLE_FLAGS, STYLE_VALUES, STYLE_EQUALS, STYLE_NONE };
enum command_launcher { LAUNCH_NONE, LAUNCH_TORCHRUN, LAUNCH_ACCELERATE };

struct command_plan {
	const struct bl_value *command;         /* list of texts, or one text */
	const struct bl_value *hyperparameters; /* map, or NULL */
	enum command_style style;
	enum command_launcher launcher; /* needs a list; starts max(1, gpus) processes */
	int64_t gpus;
};

struct command {
	char **argv; /* argc texts and NULL, owned */
	size_t argc;
	bool is_shell; /* argv[0] is /bin/sh -c: TERM goes to its children too */
};

/* BL_EINPUT: an empty command, a launcher with a text, hyperparameters that a text ignores. */
BL_MUST int command_build(const struct command_plan *plan, struct command *out, struct bl_err *err);

/* From arguments as given: copied. argc at least 1. */
BL_MUST int command_copy(int argc, char *const *argv, struct command *out, struct bl_err *err);
void command_done(struct command *command);

BL_MUST int command_style_parse(const char *word, enum command_style *out, struct bl_err *err);
BL_MUST int command_launcher_parse(const char *word, enum command_launcher *out,
                                   struct bl_err *err);

/*
 * Hyperparameters as SageMaker stores them are all texts: "3", "true", "\"adam\"". Gives the typed
 * values back: a text that is JSON becomes its value, anything else stays text.
 */
BL_MUST int command_decode_texts(const struct bl_value *texts, struct bl_value **out,
                                 struct bl_err *err);

#endif
