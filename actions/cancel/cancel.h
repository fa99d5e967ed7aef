/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CANCEL_H
#define BL_ACTIONS_CANCEL_H

#include "actions/cloud.h"

/* Whose runs are to end. */
enum cancel_scope { CANCEL_RUN, CANCEL_JOB, CANCEL_PULL, CANCEL_REPOSITORY };

struct cancel_what {
	enum cancel_scope scope;
	char job[65];  /* "": of any */
	int64_t pr;    /* CANCEL_PULL */
	char head[41]; /* runs of this commit are left alone; "": none */
	char why[128]; /* one line for people */
};

/* What was asked for on the command line or by inputs; texts may be NULL. */
struct cancel_asked {
	const char *scope, *job;
	int64_t pr;
	bool all, named; /* named: a RUN was */
};

/*
 * Pure: what is to be cancelled, by what was asked and by the workflow's event (NULL: none): the
 * label that was removed names the job, a push leaves its own commit's runs alone. BL_EINPUT.
 */
BL_MUST int cancel_decide(const struct cancel_asked *asked, const struct bl_value *event,
                          bool in_workflow, struct cancel_what *out, struct bl_err *err);

/* Pure: whether a run is one of them. url: of the workflow's run that launched it. */
struct bl_run;
bool cancel_is_meant(const struct cancel_what *what, const struct bl_run *run, const char *job_url);

#endif
