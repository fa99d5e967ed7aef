/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_GUARD_H
#define BL_RUN_GUARD_H

#include "net/github.h"

/*
 * Whether the event that started a workflow may train, and which commit. All pure: what the event
 * says is hostile text until it has gone through bl_guard_event_read(); what must be asked of
 * GitHub is asked by the verb between two calls of bl_guard_decide().
 */

/* Of the job's environment; texts that are not set are "". */
struct bl_guard_env {
	const char *event;     /* GITHUB_EVENT_NAME */
	const char *ref;       /* GITHUB_REF */
	const char *sha;       /* GITHUB_SHA */
	const char *actor;     /* GITHUB_ACTOR */
	bool can_authenticate; /* there is a URL that gives identity tokens, or there are keys */
};

/* What the event says. Texts that it does not have are "", numbers 0. */
struct bl_guard_event {
	char name[32], action[32];
	char label[128];                               /* cut: no label of ours is that long */
	int64_t pr, repository_id, head_repository_id; /* head: 0 when it is gone */
	char sha[41];                                  /* what would be trained */
	char head_ref[256], base_ref[256], base_sha[41];
	char branch[256], default_branch[256]; /* of anything but a pull request; "": a tag */
	char sender[64], actor[64];            /* logins */
	bool sender_is_bot, deleted, can_authenticate;
};

/*
 * BL_EINPUT: it is no event, or lacks what its kind must have; a commit, a login or a branch that
 * is none.
 */
BL_MUST int bl_guard_event_read(const char *bytes, size_t len, const struct bl_guard_env *env,
                                struct bl_guard_event *out, struct bl_err *err);

struct bl_guard_rules {
	const char *label; /* "train"; "train:JOB" names a job */
	const char *job;   /* that an input names; "": none */
	bool allow_bots, on_push;
};

/* What GitHub said when it was asked. */
struct bl_guard_facts {
	char permission[16]; /* the labeller's; not asked for a bot that is allowed */
	struct bl_github_pull pull;
};

enum bl_guard_verdict {
	BL_GUARD_ACCEPT,
	BL_GUARD_REFUSE,  /* somebody wanted it, and may not have it: told on the pull request */
	BL_GUARD_NEUTRAL, /* not for us */
	BL_GUARD_ASK,     /* depends on facts */
};
struct bl_guard {
	enum bl_guard_verdict verdict;
	char reason[256], next[256]; /* why not, one sentence without full stop; and the cure */
	char job[65];                /* "": the default one */
	bool remove_label;           /* it was for a commit that is no longer the newest */
	bool is_fork;                /* whose token can write no comment */
};

/* Whether a label is `ours`, or names a job behind it ("train:JOB"); to GitHub labels that differ
 * in letter case alone are the same. */
bool bl_guard_is_label(const char *label, const char *ours);

/* facts NULL: not asked yet; then never accepts a pull request. */
void bl_guard_decide(const struct bl_guard_event *event, const struct bl_guard_rules *rules,
                     const struct bl_guard_facts *facts, struct bl_guard *out);

#endif
