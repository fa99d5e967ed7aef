/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CLIENT_OPEN_H
#define BL_TESTS_CLIENT_OPEN_H

#include "aws/client.h"
#include "tests/unit/canned.h"
#include "tests/unit/failalloc.h"

/* The environment names this endpoint and nothing else of AWS: no file, no key, no region. */
void set_endpoint(const char *url);

/* A client of that endpoint in us-east-1 with made-up session credentials; its waits are 0. */
struct bl_aws *client_of(const char *url);
BL_MUST int open_client(struct bl_aws **out, struct bl_err *err);

/* each_allocation_fails() of a story that asks a server through *aws, its client meanwhile; the
 * server answers every POST with `reply`, and closes. */
void each_allocation_fails_at(const struct canned_reply *reply, struct bl_aws **aws,
                              alloc_story *story, unsigned max);

#endif
