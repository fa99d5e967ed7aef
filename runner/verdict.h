/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_VERDICT_H
#define BL_RUNNER_VERDICT_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Why a command failed, from what it left behind. Pure.
 *
 *   tail     the last bytes it printed; any bytes
 *   elastic  torch's error.json, as bytes; NULL: none
 *   failure  SageMaker's output/failure; NULL: none
 *   status   as waitpid() gave it; -1: it never ran
 */
struct verdict_evidence {
	const char *tail;
	size_t tail_len;
	const char *elastic;
	size_t elastic_len;
	const char *failure;
	size_t failure_len;
	int status;
};

/* class is one of design 4.3's words, "" for a command that did not fail. UTF-8, one line. */
struct verdict {
	const char *class;
	const char *source; /* torchelastic failure_file traceback cuda_oom signal, "" none */
	char message[512];
};

void verdict_judge(const struct verdict_evidence *evidence, struct verdict *out);

/* verdict.json: the verdict and the last lines as trace_tail. */
BL_MUST int verdict_write(const struct verdict *verdict, const struct verdict_evidence *evidence,
                          struct bl_buf *out, struct bl_err *err);

#endif
