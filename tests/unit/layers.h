/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_LAYERS_H
#define BL_TESTS_LAYERS_H

#include "run/image_layer_parts.h"

/* FOLDER/r: a commit with what a commit can have. Set-up of each test; folder_drop() ends it. */
int layer_set_up(void **state);
#define IN_REPO(test) cmocka_unit_test_setup_teardown(test, layer_set_up, folder_drop)
/* Everything in it as the next commit. */
void layer_commit(void);

/* The layer of r's HEAD; `how` without its tree. */
int layer_of_head(struct bl_layer_code how, struct bl_layer *out, struct bl_err *err);
struct bl_layer layer_made(struct bl_layer_code how);

/* What a program prints that gets the layer's bytes on stdin. */
void layer_pipe(int fd, const char *const *argv, struct bl_buf *out);
#define LAYER_PIPE(fd, out, ...) layer_pipe(fd, (const char *const[]){ __VA_ARGS__, NULL }, out)

/* As GNU tar lists them, a line each. */
void assert_layer_names(const struct bl_layer *layer, const char *want);
/* Digests and sizes that the layer gives are those of its bytes. */
void assert_layer_digests(const struct bl_layer *layer);

#endif
