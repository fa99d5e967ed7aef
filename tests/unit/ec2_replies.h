/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_EC2_REPLIES_H
#define BL_TESTS_EC2_REPLIES_H

#include "tests/unit/canned.h"

/* Documents as EC2 sends them. */
#define REFUSAL(code)                                                                              \
	"<Response><Errors><Error><Code>" code                                                     \
	"</Code><Message>because</Message></Error></Errors>"                                       \
	"<RequestID>R-1</RequestID></Response>"
#define OK(operation, inside) "<" operation "Response>" inside "</" operation "Response>"

static inline const char *body_of(const struct canned *server, size_t i)
{
	size_t len;

	return canned_body(server, i, &len);
}

#endif
