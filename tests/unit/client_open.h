/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CLIENT_OPEN_H
#define BL_TESTS_CLIENT_OPEN_H

#include "aws/client.h"

/* The environment names this endpoint and nothing else of AWS: no file, no key, no region. */
void set_endpoint(const char *url);

/* A client of that endpoint in us-east-1 with made-up session credentials; its waits are 0. */
struct bl_aws *client_of(const char *url);
BL_MUST int open_client(struct bl_aws **out, struct bl_err *err);

#endif
