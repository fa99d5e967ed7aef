/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_ENGINE_H
#define BL_RUNNER_ENGINE_H

#include "base/proc.h"
#include "run/outcome.h"

#include <stdbool.h>

/*
 * How host runs the training command: the seam between a process on this machine and,
 * later, a container. The tree at `root` is prepared before.
 *
 *   env  NULL-terminated "NAME=VALUE": added to our own environment
 */
struct engine_spec {
	const char *root;
	const char *const *env;
};

struct engine {
	const struct engine_ops *ops;
	struct bl_child child;
	bool we_killed;
};

struct engine_ops {
	const char *name;
	/* Starts exec. child.pidfd becomes readable when it has ended. */
	int (*start)(struct engine *engine, const struct engine_spec *spec, struct bl_err *err);
	/* Writes the reason for exec to find, then asks it to stop the command. */
	int (*stop)(struct engine *engine, const struct engine_spec *spec, const char *reason,
	            struct bl_err *err);
	/* Ends everything at once. */
	int (*kill)(struct engine *engine, const struct engine_spec *spec, const char *reason,
	            struct bl_err *err);
	/* After its end: reaps it and reads exit.json and verdict.json. */
	int (*collect)(struct engine *engine, const struct engine_spec *spec,
	               struct bl_exit_record *record, struct bl_verdict *verdict,
	               struct bl_err *err);
};

extern const struct engine_ops engine_process;

#endif
