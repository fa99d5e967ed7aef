/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_WORKFLOW_H
#define BL_ACTIONS_WORKFLOW_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * What a step tells GitHub's runner: variables for later steps, outputs, masks.
 *
 * WORKFLOW_ENV   $GITHUB_ENV; GITHUB_*, RUNNER_* and NODE_OPTIONS are refused, as GitHub does
 * WORKFLOW_OUTPUT  $GITHUB_OUTPUT
 */
enum workflow_file { WORKFLOW_ENV, WORKFLOW_OUTPUT };

/*
 * Appends "NAME<<DELIMITER", the value and the delimiter, a line each: no value can end early or
 * begin another entry. BL_EINPUT: a name that is none, or a value one of whose lines is the
 * delimiter. Pure.
 */
BL_MUST int workflow_entry(const char *name, const char *value, const char *delimiter,
                           struct bl_buf *out, struct bl_err *err);

struct workflow_pair {
	const char *name, *value;
};
/* Appends all in one write, each with a delimiter of its own, of 128 random bits. BL_ENOENT:
 * this is no step. */
BL_MUST int workflow_write(enum workflow_file file, const struct workflow_pair *pairs, size_t n,
                           struct bl_err *err);

/* Appends Markdown to the page of the job, $GITHUB_STEP_SUMMARY; nothing where that is not set. */
BL_MUST int workflow_summary(const struct bl_buf *text, struct bl_err *err);

/* The document of the event that began the workflow. *there: false where GITHUB_EVENT_PATH is not
 * set; then this is none. */
BL_MUST int workflow_event(struct bl_buf *out, bool *there, struct bl_err *err);
#define WORKFLOW_EVENT_MAX ((size_t)8 << 20) /* bytes of it */

/*
 * The page of this workflow's run on GitHub, as run.json keeps it and as it is compared; "" where
 * this is none. Never a host of our own making but github.com.
 */
#define WORKFLOW_URL_SIZE 512
void workflow_job_url(char out[WORKFLOW_URL_SIZE]);

/* Appends text as data of a workflow command: %, CR and LF escaped. */
void workflow_escape(struct bl_buf *out, const char *text);

/* Has the runner show each line of value as ***: before anything that might show it. Goes to
 * standard output at once. */
BL_MUST int workflow_mask(const char *value, struct bl_err *err);

#endif
