/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_PUSH_OPTIONS_H
#define BL_ACTIONS_PUSH_OPTIONS_H

#include "actions/options.h"

struct push_options {
	const char *to, *commit, *tags_text, *platform, *job, *file, *profile, *region;
	struct bl_each tags;
	int64_t at_once;
	bool create, allow_http, json, describe;
};

#define PUSH_TAGS_MAX (BL_EACH_MAX + 1)

extern const struct bl_usage push_usage;

/* What the table cannot say; fills in the default platform. */
BL_MUST int push_options_check(struct push_options *opt, struct bl_err *err);

/* Tags of --tag, of --tags, and of --to, each a text in `text`, whose life is theirs. Pure. */
BL_MUST int push_options_tags(const struct push_options *opt, const char *of_to,
                              struct bl_buf *text, const char *tags[PUSH_TAGS_MAX], size_t *n,
                              struct bl_err *err);

#endif
