/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_ADVICE_TABLE_H
#define BL_AWS_ADVICE_TABLE_H

#include <stddef.h>

/*
 * One line of advice; the first that matches is given. NULL matches anything.
 *
 *   operations  words between blanks; codes too, where "KMS.*" is every code that begins so
 *   message     a part of what AWS said
 *   text        {bucket} {key} {region} {role} {action} {policy} stand for names; those that are
 *               not known become BUCKET, KEY, "the region", ...
 */
struct advice {
	const char *service, *operations, *codes, *message, *text;
};

extern const struct advice advice_table[];
extern const size_t advice_count;

#endif
