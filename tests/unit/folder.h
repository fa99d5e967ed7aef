/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_FOLDER_H
#define BL_TESTS_FOLDER_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * A directory of a test's own, made by the set-up of each test and removed after it, and the files
 * that checkpoints are made of.
 */
extern char folder[64]; /* its path */
extern int folder_fd;

/* In memory where it can be: an fsync costs nothing there, and these tests sync a lot. */
int folder_make(void **state);
int folder_make_in_tmp(void **state); /* a file system as runs have it */
int folder_drop(void **state);
#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)

/* "FOLDER/TAIL"; valid until the fourth call from now. */
const char *folder_path(const char *tail);

void put_bytes(const char *path, const void *bytes, size_t len);
void put_text(const char *path, const char *text);
/* Writes over the file's bytes without making it anew. */
void rewrite_text(const char *path, const char *text);
void remove_path(const char *path);
void make_link(const char *path, const char *target);
/* Moves the modification time; the change time follows the system's clock. */
void set_mtime_ms(const char *path, long long wall_ms);

/* An archive of one stored member of n bytes as torch.save leaves it (64-bit records). */
void zip_bytes(struct bl_buf *out, char fill, size_t n);
void put_zip(const char *path, char fill, size_t n);
/* The same without its last `cut` bytes. */
void put_cut_zip(const char *path, char fill, size_t n, size_t cut);
void put_safetensors(const char *path, size_t tensor_bytes, size_t cut);
/* Hugging Face Trainer's checkpoint-STEP below `parent`. */
void put_trainer_checkpoint(const char *parent, unsigned step);

bool is_there(const char *path);
void assert_file_holds(const char *path, const char *text);

#endif
