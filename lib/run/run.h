/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_RUN_H
#define BL_RUN_RUN_H

#include "codec/value.h"
#include "run/keys.h"
#include "run/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * run.json, the specification of a run: the tree, and what is asked for often. Texts are
 * the tree's and never NULL ("" when absent); values are NULL when absent.
 */
struct bl_run {
	struct bl_value *doc;
	char id[BL_RUN_SIZE];
	int64_t created_ms; /* wall */
	const char *kind;   /* "local" */
	const char *job, *group, *actor, *nonce;
	const char *repository_key, *repository_name;
	int64_t pr;                                          /* 0: none */
	const char *head, *base, *tree, *branch, *subject;   /* git */
	bool dirty;                                          /* of the work tree */
	const char *config_digest, *data_digest, *patch_key; /* "": no patch */
	const struct bl_value *config, *command, *hyperparameters, *overrides, *channels, *parents;
	int64_t max_runtime_ms, grace_ms, flush_reserve_ms;
	double max_cost_usd; /* NaN: none */
	unsigned retries;
	const char *primary; /* config.metrics.primary */
};
void bl_run_done(struct bl_run *run);

/* BL_ENOENT: no such run. */
BL_MUST int bl_run_read(struct bl_store *store, const char *id, struct bl_run *out,
                        struct bl_err *err);

/* From its bytes, as bl_spec_write() makes them. */
BL_MUST int bl_run_parse(const char *bytes, size_t len, const char *id, struct bl_run *out,
                         struct bl_err *err);

/* All run ids of a store, newest first; n ids of BL_RUN_SIZE each. */
struct bl_run_ids {
	char (*ids)[BL_RUN_SIZE];
	size_t n;
};
void bl_run_ids_done(struct bl_run_ids *list);
BL_MUST int bl_run_ids_read(struct bl_store *store, struct bl_run_ids *out, struct bl_err *err);
/* Has a store of bl_store_warm_open() fetch documents ("run.json") of the n runs from `from` on:
 * across a network not one after the other. */
BL_MUST int bl_run_ids_fetch(struct bl_store *warm, const struct bl_run_ids *list, size_t from,
                             size_t n, const char *const *documents, size_t n_documents,
                             struct bl_err *err);

/* A run in one line. */
enum bl_run_state {
	BL_RUN_PENDING,   /* nothing claimed it yet */
	BL_RUN_RUNNING,   /* its owner is alive */
	BL_RUN_STOPPING,  /* alive, and a stop is wanted */
	BL_RUN_SILENT,    /* its owner cannot be asked from here, and its heartbeat is old */
	BL_RUN_RESUMABLE, /* interrupted, without outcome: --resume goes on */
	BL_RUN_ENDED,     /* it has an outcome, or its last attempt's end decides */
};

struct bl_run_summary {
	char id[BL_RUN_SIZE];
	char job[64], branch[128], sha[41], subject[128], kind[16];
	bool dirty;
	enum bl_run_state state;
	char word[24];     /* "running", "interrupted (resumable)", "success", ...: for people */
	char class[16];    /* of the outcome; "" none */
	char message[512]; /* of the outcome */
	char phase[24];    /* of the newest heartbeat */
	unsigned attempt;  /* newest, 0 none */
	double step, total_steps; /* NaN unknown */
	char primary[64];         /* its name, "" none */
	double primary_value;     /* newest value, NaN unknown */
	double cost_usd;          /* NaN unknown */
	int64_t created_ms;       /* wall */
	int64_t seen_ms;          /* wall time of the newest sign: heartbeat or end; 0 none */
	int64_t finished_ms;      /* 0: not finished */
};
/* BL_ENOENT: no such run. */
BL_MUST int bl_run_summarise(struct bl_store *store, const char *id, struct bl_run_summary *out,
                             struct bl_err *err);

/* Which runs; NULL or "" does not matter, pr 0 neither. */
struct bl_runs_filter {
	const char *repository_key, *branch, *job;
	int64_t pr;
	size_t limit; /* newest ones; 0: all */
	bool live;    /* only those that have not ended */
};
struct bl_runs {
	struct bl_run_summary *runs; /* n, newest first */
	size_t n;
	size_t unreadable; /* left out: run.json torn or of a newer version */
};
void bl_runs_done(struct bl_runs *runs);
BL_MUST int bl_runs_list(struct bl_store *store, const struct bl_runs_filter *filter,
                         struct bl_runs *out, struct bl_err *err);

#endif
