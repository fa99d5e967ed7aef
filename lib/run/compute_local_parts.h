/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPUTE_LOCAL_PARTS_H
#define BL_RUN_COMPUTE_LOCAL_PARTS_H

#include "run/compute_parts.h"

#include <limits.h>

struct local_engine {
	char runner[PATH_MAX], cwd[PATH_MAX];
	char run[BL_RUN_SIZE]; /* of the newest start or probe */
};

/* What an instance has as tags, a box of this machine has in its environment. */
#define LOCAL_BOX "BRANCHLINE_BOX_"
#define LOCAL_OWN 6
struct local_env {
	char texts[LOCAL_OWN][128];
	const char *pairs[LOCAL_OWN + 1]; /* NULL-terminated */
	size_t n;
};
void local_env_of(const struct bl_end_scope *scope, struct local_env *out);

/* CWD/.branchline/work/RUN and tail. */
BL_MUST int local_work_path(const struct local_engine *engine, const char *run, const char *tail,
                            char path[PATH_MAX], struct bl_err *err);
/* host's last words, LOCAL_LOG_SHOWN bytes at most; nothing when there are none. */
#define LOCAL_LOG_SHOWN 65536
BL_MUST int local_read_log(const struct local_engine *engine, struct bl_buf *out,
                           struct bl_err *err);
BL_MUST int local_start(void *self, const struct bl_start *what, struct bl_started *out,
                        struct bl_err *err);

#endif
