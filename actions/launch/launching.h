/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_LAUNCHING_H
#define BL_ACTIONS_LAUNCHING_H

#include "actions/launch/launch.h"
#include "codec/git_tree.h"
#include "codec/oci.h"
#include "run/data_s3.h"
#include "run/doctor.h"
#include "run/launch_estimate.h"
#include "run/launch_gate.h"
#include "run/launch_image.h"
#include "run/launch_key.h"
#include "run/launch_market.h"
#include "run/spec.h"

#define LAUNCH_CHANNELS_MAX 32

/* The parts of `launch` and `plan`: what one of them learns, the next one uses. */
struct launching {
	const struct launch_options *opt;
	const struct bl_args *args;
	bool is_local; /* the engine */
	bool is_plan;  /* nothing is written, refusals become warnings */
	const volatile int *stop;

	struct guarded guarded;
	struct cloud cloud;
	struct bl_git_commit commit;
	struct bl_git git; /* of the commit, as run.json has it */
	struct bl_config config;
	const char *job; /* asked for; NULL: the default */
	enum bl_market market;

	char key[BL_LAUNCH_KEY_SIZE]; /* "": not a workflow's job */
	char run[BL_RUN_SIZE];        /* "": none yet */
	enum bl_adopt adopt;

	size_t n_channels;
	struct bl_spec_channel channels[LAUNCH_CHANNELS_MAX];
	char channel_uris[LAUNCH_CHANNELS_MAX][BL_DATA_URI_SIZE];
	char channel_digests[LAUNCH_CHANNELS_MAX][BL_SHA256_HEX];
	char data_digest[BL_SHA256_HEX];

	char image[600]; /* "registry/repository@sha256:..." */
	char image_digest[BL_DIGEST_SIZE], base_digest[BL_DIGEST_SIZE];
	struct bl_image_needs needs;

	struct bl_wanted wanted;
	struct bl_fits fits;
	struct bl_market_answers answers;
	struct bl_pools pools;
	struct bl_purchases purchases;
	struct bl_estimate_input estimate_input;
	struct bl_estimate estimate;
	struct bl_gate_facts gate;
	struct bl_checks checks;
	struct bl_buf
		notes; /* a line for each price that is not known, each type that is left out */
	char host_sha256[65]; /* of branchline-runner; "" engine local */
	struct bl_buf spec;   /* run.json as we have just stored it; empty: another's stands */

	enum bl_class class; /* of a failure, where a phase knows it better than its code says */
	int64_t began_ms;
};
void launching_done(struct launching *launching);

/*
 * A phase appends to `said` what it found, in one line. The names are what failures begin with and
 * what people see.
 */
struct launch_phase {
	const char *name;
	int (*run)(struct launching *launching, struct bl_buf *said, struct bl_err *err);
};
/* In order, until one fails or a signal came: BL_ECANCELLED. */
BL_MUST int launch_phases(struct launching *launching, const struct launch_phase *phases, size_t n,
                          struct bl_err *err);

/* Fails with the class's own code, and remembers the class. Returns -1. */
int launch_fail(struct launching *launching, enum bl_class class, struct bl_err *err,
                const char *fmt, ...) BL_PRINTF(4);

int phase_event(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_config(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_stack(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_key(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_data(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_image(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_types(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_checks(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_prices(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_budget(struct launching *launching, struct bl_buf *said, struct bl_err *err);
int phase_host(struct launching *launching, struct bl_buf *said, struct bl_err *err);

/* A workflow's job has its key; anyone else's is the run's own, for the tag alone. */
BL_MUST int launch_own_key(struct launching *launching, const char *run, struct bl_err *err);
/* run.json of this run, as it is stored. */
BL_MUST int launch_spec(struct launching *launching, const char *run, struct bl_buf *out,
                        struct bl_err *err);
/* Takes the launch key and stores run.json: after it the run exists. */
int phase_store(struct launching *launching, struct bl_buf *said, struct bl_err *err);
/* Buys attempt 1 where it is not bought; a definite failure, and a signal, ends the run. */
BL_MUST int launch_buy(struct launching *launching, struct bl_started *out, struct bl_err *err);

/* After a signal: the box first, then the outcome. Returns -1, BL_ECANCELLED. started may be
 * NULL. */
int launch_undo(struct launching *launching, const struct bl_started *started, struct bl_err *err);

/* Pure texts. The table of prices for a terminal, or Markdown; what it will cost, three lines. */
enum launch_form { LAUNCH_TEXT, LAUNCH_MARKDOWN };
void launch_show_prices(const struct launching *launching, enum launch_form form,
                        struct bl_buf *out);
void launch_show_estimate(const struct launching *launching, enum launch_form form,
                          struct bl_buf *out);

#endif
