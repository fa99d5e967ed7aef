/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPUTE_H
#define BL_RUN_COMPUTE_H

#include "aws/ec2.h"
#include "run/attempt.h"
#include "run/run.h"
#include "run/started.h"

/*
 * The seam between a run and what its attempts run on: a table per engine, chosen by
 * `--compute`: "ec2" (one instance per attempt), "local" (host on this machine). launch, wait,
 * cancel and collect know only this.
 */
struct bl_compute;

/* How one attempt is to be had. Texts stay the caller's. Decided before by run/launch_*.h. */
struct bl_purchase_pool {
	char type[32], subnet[32], zone[24];
	double usd_hour, on_demand_usd_hour; /* NaN unknown */
};
struct bl_purchase {
	const char *template_id; /* pools of one launch template */
	int64_t template_version;
	bool spot;
	const struct bl_purchase_pool *pools;
	size_t n_pools;
};
struct bl_start {
	struct bl_store *store;
	const struct bl_run *run;
	unsigned attempt;
	const struct bl_purchase *purchases; /* in the order to be tried; engine "local": none */
	size_t n_purchases;
	double disk_usd_hour;
	int64_t deadline_ms;                   /* wall: D of design 4.9, the deadline tag */
	const char *spec_sha256, *host_sha256; /* tags `spec` and `host` */
	const char *launch_key;                /* tag `key` */
	/* told of each pool's error and of each purchase as it is tried; NULL: nobody */
	void (*say)(void *arg, const char *line);
	void *arg;
	const volatile int *stop; /* becomes non-zero when a signal came: nothing more is bought */
	/* out, may be NULL; of BL_ECAPACITY: BL_CLASS_QUOTA when quotas alone are in the way, else
	 * BL_CLASS_CAPACITY */
	enum bl_class *lack;
};

/* What is known of the owner of the newest attempt. */
struct bl_probe {
	enum bl_liveness owner;
	bool found; /* an instance (process) of this attempt was seen */
	char instance[32], state[20];
	struct bl_result gone; /* when dead: class and message of how its box ended */
};

/* Whose boxes: members that are "" or 0 do not matter; at least one must be set. */
struct bl_end_scope {
	const char *run, *repository /* key */, *job;
	int64_t pr;
	unsigned attempt;
	const char *instance; /* known id: ended first, before anything is asked */
	/* how long to look for one that was just bought and is not seen yet; 0: one look */
	int look_ms;
};
struct bl_ended_boxes {
	size_t n;
	char runs[64][BL_RUN_SIZE]; /* the first ones' runs */
};

struct bl_compute_ops {
	const char *name;
	void (*close)(void *self);
	/*
	 * Claims attempts/N.json, then starts it at most once whatever is cut or repeated: a try is
	 * stored before it is sent, and rises after a definite empty answer only. An earlier call's
	 * box is found again. out: also stored as N.started.json.
	 * BL_ECAPACITY: no pool has any (every pool's error was said); BL_EBUSY: another owner has
	 * claimed this attempt; BL_ECANCELLED: *stop.
	 */
	int (*start)(void *self, const struct bl_start *what, struct bl_started *out,
	             struct bl_err *err);
	/* UNKNOWN: it cannot be told yet; its heartbeat may. The store of bl_compute_options, where
	 * given, tells which instance it is; else it is found by its tags. */
	int (*probe)(void *self, const struct bl_run *run, const struct bl_attempts *attempts,
	             struct bl_probe *out, struct bl_err *err);
	/*
	 * TerminateInstances at once for a known instance; then all that the tags name, of this
	 * stack. Idempotent. out->n counts what this call has ended.
	 */
	int (*end)(void *self, const struct bl_end_scope *scope, struct bl_ended_boxes *out,
	           struct bl_err *err);
	/* Boot log of the attempt's box, for people; "" when there is none. */
	int (*console)(void *self, const struct bl_started *started, struct bl_buf *out,
	               struct bl_err *err);
};

struct bl_aws;
struct bl_compute_options {
	const char *name;       /* "ec2", "local" */
	struct bl_aws *aws;     /* ec2; stays the caller's */
	const char *stack;      /* ec2: name, tag `stack` */
	const char *runner;     /* local: path of branchline-runner; NULL: beside this program */
	const char *cwd;        /* local: where the commit is checked out */
	struct bl_store *store; /* where runs are; stays the caller's; NULL: unknown */
};
BL_MUST int bl_compute_open(const struct bl_compute_options *options, struct bl_compute **out,
                            struct bl_err *err);
/* Of any table, for tests too; takes `self` over on success only. */
BL_MUST int bl_compute_new(const struct bl_compute_ops *ops, void *self, struct bl_compute **out,
                           struct bl_err *err);
void bl_compute_close(struct bl_compute *compute); /* takes NULL */
void bl_compute_auto(struct bl_compute **compute);
#define BL_COMPUTE __attribute__((cleanup(bl_compute_auto))) struct bl_compute *

BL_MUST int bl_compute_start(struct bl_compute *compute, const struct bl_start *what,
                             struct bl_started *out, struct bl_err *err);
BL_MUST int bl_compute_probe(struct bl_compute *compute, const struct bl_run *run,
                             const struct bl_attempts *attempts, struct bl_probe *out,
                             struct bl_err *err);
BL_MUST int bl_compute_end(struct bl_compute *compute, const struct bl_end_scope *scope,
                           struct bl_ended_boxes *out, struct bl_err *err);
BL_MUST int bl_compute_console(struct bl_compute *compute, const struct bl_started *started,
                               struct bl_buf *out, struct bl_err *err);

/*
 * Pure: what the end of an instance means for an attempt that wrote no end itself (facts aws 8.2).
 * code, message: StateReason.
 */
struct bl_result bl_compute_gone(const char *code, const char *message);

/*
 * ClientToken: base32 of SHA-256 over repository, run, attempt, try, market, template and its
 * version, and the pools in their order. 52 characters and a NUL.
 */
BL_MUST int bl_compute_token(const struct bl_run *run, unsigned attempt, unsigned try_number,
                             const struct bl_purchase *purchase, char token[65],
                             struct bl_err *err);

/* Pure: tags of design 4.8; `mode` is the market. Texts stay the caller's. */
#define BL_COMPUTE_TAGS 12
struct bl_compute_tags {
	struct bl_ec2_tag items[BL_COMPUTE_TAGS];
	size_t n;
	char attempt[8], deadline[24], pr[24];
};
void bl_compute_tags(const char *stack, const struct bl_start *what, bool spot,
                     struct bl_compute_tags *out);

/* Pure, for `plan`: what a first try of that purchase would send, as bl_ec2_fleet_text() says. */
BL_MUST int bl_compute_request_text(const char *stack, const struct bl_start *what, size_t purchase,
                                    struct bl_buf *out, struct bl_err *err);

/* Sleeps, but not beyond *stop (may be NULL). False: stopped. */
bool bl_compute_pause(int64_t ms, const volatile int *stop);

#endif
