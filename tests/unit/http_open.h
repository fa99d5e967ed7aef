/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_HTTP_OPEN_H
#define BL_TESTS_HTTP_OPEN_H

#include "net/http.h"

/* With what is usual; that it does not open fails the test. */
struct bl_http *open_http(void);

#endif
