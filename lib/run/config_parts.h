/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CONFIG_PARTS_H
#define BL_RUN_CONFIG_PARTS_H

/* Between the parts of config: nobody else includes this. */

#include "run/config.h"

/* Where a value comes from. `file`: positions are shown, else `name` as "flag --max-runtime". */
struct bl_config_source {
	const char *file;
	char name[96];
};

/* "branchline.yaml:12:3: max_runtime: TEXT", or "flag --max-runtime: TEXT". Returns -1. */
int bl_config_fault(const struct bl_config_source *source, const struct bl_value *at,
                    const char *name, struct bl_err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A value as the file gave it, checked and in canonical form, positions kept. */
BL_MUST int bl_config_canonical(const struct bl_config_key *key, const struct bl_value *given,
                                const struct bl_config_source *source, struct bl_value **out,
                                struct bl_err *err);
/* The same for the kinds that hold members. */
BL_MUST int bl_config_canonical_map(const struct bl_config_key *key, const struct bl_value *given,
                                    const struct bl_config_source *source, struct bl_value **out,
                                    struct bl_err *err);
BL_MUST int bl_config_canonical_list(const struct bl_config_key *key, const struct bl_value *given,
                                     const struct bl_config_source *source, struct bl_value **out,
                                     struct bl_err *err);

/* A value as a flag, an input or the environment gave it, not checked yet. */
BL_MUST int bl_config_from_text(const struct bl_config_key *key, const char *text, const char *cwd,
                                const struct bl_config_source *source, struct bl_value **out,
                                struct bl_err *err);

/* A new value of this type at the position of `from`. NULL: out of memory. */
struct bl_value *bl_config_like(const struct bl_value *from, enum bl_type type);
BL_MUST int bl_config_text_like(const struct bl_value *from, const char *text,
                                struct bl_value **out, struct bl_err *err);
/* Whether word is one of "a|b|c". */
/* "text 'abc'", "'99'", "a list", "nothing": what was there instead. Returns text. */
const char *bl_config_found(const struct bl_value *given, char text[128]);
/* "a, b or c" of "a|b|c" */
void bl_config_add_words(struct bl_buf *out, const char *words);
bool bl_config_is_word(const char *words, const char *word);
bool bl_config_is_name(const char *text);    /* of a channel or a job: [A-Za-z0-9_-]{1,64} */
bool bl_config_is_section(const char *name); /* image, checkpoints, metrics */

/* What a source sets, in order. Values are owned. */
struct bl_config_setting {
	const struct bl_config_key *key;
	struct bl_value *value;
	struct bl_config_source source;
};
struct bl_config_layer {
	struct bl_config_setting *items;
	size_t n;
};
void bl_config_layer_done(struct bl_config_layer *layer);
/* Takes value over, also on failure. */
BL_MUST int bl_config_layer_add(struct bl_config_layer *layer, const struct bl_config_key *key,
                                struct bl_value *value, const struct bl_config_source *source,
                                struct bl_err *err);

/* Settings of the file and of the chosen job over it; job: its name. */
BL_MUST int bl_config_read_file(const struct bl_config_input *input, struct bl_config_layer *layer,
                                char job[BL_CONFIG_JOB_SIZE], struct bl_err *err);

/* Puts a setting into the tree: maps merge, the rest is replaced. origins may be NULL. */
BL_MUST int bl_config_apply(struct bl_value *tree, struct bl_value *origins,
                            const struct bl_config_setting *setting, struct bl_err *err);
BL_MUST int bl_config_apply_all(struct bl_value *tree, struct bl_value *origins,
                                const struct bl_config_layer *layer, struct bl_err *err);
/* Every key that the tree lacks, from the table. */
BL_MUST int bl_config_fill(struct bl_value *tree, struct bl_value *origins, struct bl_err *err);
/* The subtree that holds a dotted name, made when absent; `last` is the name's last part. */
BL_MUST int bl_config_parent(struct bl_value *tree, const char *name, struct bl_value **out,
                             const char **last, struct bl_err *err);

/* What no single key can tell: the command's form, what excludes what, the ceilings. */
BL_MUST int bl_config_check(const struct bl_config *config, struct bl_err *err);
BL_MUST int bl_config_obey(struct bl_config *config, const struct bl_value *ceilings,
                           struct bl_err *err);

/* The nearest known name for an unknown member of a section ("" for the top), or NULL. */
const char *bl_config_nearest(const char *section, const char *word);

BL_MUST int bl_config_digest(const struct bl_value *tree, char hex[BL_SHA256_HEX],
                             struct bl_err *err);

#endif
