/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORTED_H
#define BL_RUN_REPORTED_H

#include "run/outcome.h"
#include "run/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * reported.json: an ended run was made public, so that collect leaves it alone. Created once.
 * docs/schemas/reported.json.
 */
struct bl_reported {
	enum bl_status status;
	bool gate_failed;
	char verdict[768];
	int64_t comment_id;     /* 0: none */
	int64_t reported_at_ms; /* wall */
};
/* already: somebody else's stands, which is as good. */
BL_MUST int bl_reported_create(struct bl_store *store, const char *run,
                               const struct bl_reported *reported, bool *already,
                               struct bl_err *err);
BL_MUST int bl_reported_read(struct bl_store *store, const char *run, struct bl_reported *out,
                             struct bl_err *err); /* BL_ENOENT */

#endif
