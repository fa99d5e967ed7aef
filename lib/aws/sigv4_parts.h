/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_SIGV4_PARTS_H
#define BL_AWS_SIGV4_PARTS_H

#include "aws/sigv4.h"

/* What the stages of a signature share; for lib/aws/sigv4*.c alone. */

/* A presigned request adds six parameters of its own, a signed one two headers. */
#define BL_SIGN_ENTRIES_MAX (BL_SIGN_PAIRS_MAX + 6)

/* "a=1&b=": encoded, sorted by encoded name, then by encoded value. */
void bl_sign_add_query(const struct bl_pair *query, size_t n, struct bl_buf *out);
/* "host;x-amz-date" */
void bl_sign_add_names(const struct bl_pair *headers, size_t n, struct bl_buf *out);

#endif
