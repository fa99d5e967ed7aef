/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_SAMPLES_H
#define BL_RUN_REPORT_SAMPLES_H

#include "run/store.h"

/*
 * What a trained model says: samples.jsonl (a record per line: a question under prompt, input,
 * question, instruction, name or id; an answer under completion, output, response, answer,
 * generated, prediction or text; other records count as an answer alone) or samples.md of a run's
 * outputs, beside the baseline's. Texts are hostile.
 */
#define BL_SAMPLES_MAX 12u
#define BL_SAMPLE_CHARS 400u
struct bl_sample {
	char *prompt, *now, *baseline; /* NULL: none */
};
struct bl_samples {
	struct bl_sample items[BL_SAMPLES_MAX];
	size_t n, left_out;
	char *page, *baseline_page; /* samples.md where there is no samples.jsonl; NULL none */
};
void bl_samples_done(struct bl_samples *samples);

/* attempt: the one that won; 0: none. baseline may be "". What cannot be read is left out. */
BL_MUST int bl_samples_read(struct bl_store *store, const char *run, unsigned attempt,
                            const char *baseline, unsigned baseline_attempt, struct bl_samples *out,
                            struct bl_err *err);

/* The part that decides: the bytes of two samples.jsonl; len 0: none. BL_ENOMEM. */
BL_MUST int bl_samples_pair(const char *now, size_t now_len, const char *baseline,
                            size_t baseline_len, struct bl_samples *out, struct bl_err *err);

#endif
