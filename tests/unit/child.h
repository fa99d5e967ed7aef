/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CHILD_H
#define BL_TESTS_CHILD_H

#include "base/proc.h"

#include <stddef.h>
#include <stdint.h>

/* A process under bl_proc_spawn's hand; what does not work out fails the test. */
#define CHILD_PATIENCE_MS 10000
#define CHILD_ARG(text) ((char *)(uintptr_t)(text)) /* exec takes char *, and changes nothing */

/* "sh -c script" in a group of its own, with fd 1 on a pipe whose reading end is *out. */
struct bl_child child_start(const char *script, char *const *envp, int *out);
/* What it printed until it closed its output, which is closed here too. */
void child_read(int fd, char *text, size_t size);
int child_wait(struct bl_child *child); /* its wait status */

#endif
