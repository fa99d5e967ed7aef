/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPUTE_PARTS_H
#define BL_RUN_COMPUTE_PARTS_H

#include "run/compute.h"

/* The engines' own. */
BL_MUST int bl_compute_ec2_open(const struct bl_compute_options *options, void **self,
                                struct bl_err *err);
extern const struct bl_compute_ops bl_compute_ec2;
BL_MUST int bl_compute_local_open(const struct bl_compute_options *options, void **self,
                                  struct bl_err *err);
extern const struct bl_compute_ops bl_compute_local;

/* bl_compute_request_text() of any try. */
BL_MUST int bl_compute_try_text(const char *stack, const struct bl_start *what, size_t purchase,
                                unsigned number, struct bl_buf *out, struct bl_err *err);

#define BL_TAG "branchline:"
#define BL_KEY_TRY "attempts/%03u.try-%03u.json"
#define BL_TRIES_MAX 999u

/*
 * attempts/N.try-K.json: one request, whole, stored before it is sent, so that it can be sent again
 * to the letter whatever changed since. docs/schemas/try.json.
 */
struct bl_try {
	struct bl_value *doc; /* owns the texts */
	unsigned number;
	const char *token, *template_id;
	int64_t template_version, created_ms, deadline_ms;
	bool spot;
	struct bl_purchase_pool *pools;
	struct bl_ec2_pool *asked; /* the same, as the request names them */
	size_t n_pools;
	struct bl_ec2_tag *tags;
	size_t n_tags;
	double disk_usd_hour;
};
void bl_try_done(struct bl_try *try);
/* Creates try K of a purchase; where it is there already, `out` is what stands. */
BL_MUST int bl_try_store(const char *stack, const struct bl_start *what, unsigned number,
                         size_t purchase, struct bl_try *out, struct bl_err *err);
BL_MUST int bl_try_read(struct bl_store *store, const char *run, unsigned attempt, unsigned number,
                        struct bl_try *out, struct bl_err *err); /* BL_ENOENT */
BL_MUST int bl_try_newest(struct bl_store *store, const char *run, unsigned attempt, unsigned *out,
                          struct bl_err *err); /* 0: none */
void bl_try_request(const struct bl_try *try, struct bl_ec2_fleet_request *out);

/* --- engine ec2 ------------------------------------------------------------------------------- */

struct ec2_engine {
	struct bl_aws *aws;
	const char *stack;
	struct bl_store *store; /* NULL: unknown */
	/* what is known of one attempt for good */
	char run[BL_RUN_SIZE];
	unsigned attempt;
	unsigned empty_try; /* its newest try with a definite empty answer */
	struct bl_started started;
	bool has_started;
};
/* Forgets what was known of another attempt. */
void ec2_engine_turn(struct ec2_engine *engine, const char *run, unsigned attempt);
/* Instances of this stack with those tags, in any state that `states` names (NULL: all). */
BL_MUST int ec2_engine_find(struct ec2_engine *engine, const struct bl_end_scope *scope,
                            const char *states, struct bl_ec2_instances *out, struct bl_err *err);
/* Repeated for look_ms while EC2 does not know one of them: it may be new. */
BL_MUST int ec2_engine_terminate(struct ec2_engine *engine, const char *const *ids, size_t n,
                                 int look_ms, size_t *n_ended, struct bl_err *err);
BL_MUST int ec2_engine_start(void *self, const struct bl_start *what, struct bl_started *out,
                             struct bl_err *err);

#endif
