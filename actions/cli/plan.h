/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CLI_PLAN_H
#define BL_ACTIONS_CLI_PLAN_H

#include "actions/launch/launching.h"

/* What one phase said, or why it would refuse. */
struct plan_line {
	const char *name;
	char said[2048];
	bool refused;
	struct bl_err err;
};

struct plan {
	struct launching launching;
	struct plan_line lines[16];
	size_t n_lines;
	struct bl_run run; /* as it would be stored */
	char spec_sha256[BL_SHA256_HEX];
	struct bl_start start; /* n_purchases 0: nothing can be bought */
};

/* Pure but for the environment of the terminal. */
BL_MUST int plan_show(const struct plan *plan, struct bl_buf *out, struct bl_err *err);
BL_MUST int plan_show_json(const struct plan *plan, struct bl_buf *out, struct bl_err *err);

#endif
