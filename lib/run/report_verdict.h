/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_VERDICT_H
#define BL_RUN_REPORT_VERDICT_H

#include "run/report.h"

/* A sentence that grows; what does not fit is cut at a character. */
struct bl_sentence {
	char *text;
	size_t size;
};
#define BL_SENTENCE_IN(array) ((struct bl_sentence){ (array), sizeof(array) })

void bl_say(struct bl_sentence to, const char *text);
void bl_say_number(struct bl_sentence to, double number);
void bl_say_duration(struct bl_sentence to, int64_t ms);

/* From rows, names and divergence to mood, verdict, cause and next step. */
void bl_report_verdict(struct bl_report *report);

#endif
