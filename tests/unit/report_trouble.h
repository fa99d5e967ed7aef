/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_REPORT_TROUBLE_H
#define BL_TESTS_REPORT_TROUBLE_H

#include "base/buf.h"

/*
 * A document for report_of() all of whose texts mean something to Markdown, HTML, terminals,
 * workflow commands or JSON: the same for the same `from`, larger with size.
 */
void troubled_report(unsigned long from, unsigned size, struct bl_buf *out);

#endif
