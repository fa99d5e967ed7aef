/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_KEPT_H
#define BL_ACTIONS_KEPT_H

#include "codec/value.h"

/*
 * What one step of a job leaves for later ones: small documents in $RUNNER_TEMP/branchline/, of
 * mode 0600, replaced as a whole. GitHub empties that folder before and after each job.
 */
#define KEPT_MAX ((size_t)64 << 10)
#define KEPT_GUARD "guard.json"
#define KEPT_RUN "run.json"

/* Nothing is done where RUNNER_TEMP is not set: there are no later steps. */
BL_MUST int kept_write(const char *name, const struct bl_buf *text, struct bl_err *err);

/* BL_ENOENT: none was left. BL_ECORRUPT: it is no document of ours. */
BL_MUST int kept_read(const char *name, struct bl_value **out, struct bl_err *err);

/* One text member of a document, copied to `offset` of a struct; absent is "". */
struct kept_text {
	const char *member;
	size_t offset, size;
};
#define KEPT_TEXT(type, member)                                                                    \
	{                                                                                          \
#member, offsetof(type, member), sizeof(((type *)0)->member)                       \
	}
/* BL_ECORRUPT: one is longer than we would have written it; `into` may be filled in part. */
BL_MUST int kept_texts(const struct bl_value *doc, const char *what, const struct kept_text *table,
                       size_t n, void *into, struct bl_err *err);

#endif
