/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_REPORT_PUBLISH_DECIDE_H
#define BL_ACTIONS_REPORT_PUBLISH_DECIDE_H

#include "run/report.h"
#include "run/run.h"

/* What is made public, decided. All pure. */

/* What a run that ended well measured is bad all the same: it diverged, or fails its gate. */
bool publish_is_bad(const struct bl_report *report);
/* A commit status's: "success", "failure" of what was tried, "error" of what it was tried on. */
const char *publish_state(const struct bl_result *result, bool is_bad);
/* Of the step's output `verdict`: "better" "worse" "same" "gate" "none". */
const char *publish_word(const struct bl_report *report);
/* "default/eval_loss", of characters that no page acts on; without a metric "default/training". */
#define PUBLISH_CONTEXT_SIZE 200
void publish_context(const struct bl_report *report, char out[PUBLISH_CONTEXT_SIZE]);
/* word: failure, always or never. */
bool publish_notifies(const char *word, const struct bl_result *result, bool is_bad);
/* What GitHub takes as a person's name: anything else is never mentioned. */
bool publish_is_login(const char *login);
/* "@ada 🔴 Training failed: ... [Report](URL)". url "": no link. */
void publish_notice(const struct bl_report *report, const char *login, const char *url,
                    struct bl_buf *out);
/* Key of the sticky comment: the run's group, else its job. */
void publish_key(const struct bl_run *run, char *out, size_t size);
/* The exit code of a job that reports this: its own command's word, and its own condition's. */
enum bl_code publish_code(const struct bl_result *result, bool gate_failed);

#endif
