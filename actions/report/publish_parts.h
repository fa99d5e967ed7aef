/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_REPORT_PUBLISH_PARTS_H
#define BL_ACTIONS_REPORT_PUBLISH_PARTS_H

#include "actions/report/publish.h"
#include "net/github.h"
#include "run/sticky.h"

/* Between the parts of publishing: nobody else includes this. */
struct publishing {
	struct cloud *cloud;
	struct bl_github *github; /* NULL: there is nobody to tell */
	const struct bl_run *run;
	struct bl_report *report;
	const char *notify; /* failure, always, never */
	struct report_published *out;
	bool of_this_job; /* the job's own event started this run */
	bool try_again;   /* something failed that may work later */
};

/* Said, counted, cleared. */
void publish_missed(struct publishing *it, const char *what, struct bl_err *err);

/* Comment, status, reaction, notice, label: whatever of it can be. */
void publish_github(struct publishing *it);

/* report.md, .html, .json, curves.svg below $RUNNER_TEMP/branchline/report/RUN; names the folder in
 * out. Nothing where RUNNER_TEMP is not set. */
BL_MUST int publish_files(struct publishing *it, struct bl_err *err);

#endif
