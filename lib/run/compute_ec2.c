/* SPDX-License-Identifier: Apache-2.0 */
/* Engine ec2: looking after an instance that was bought, and ending it. */
#include "run/compute_parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_BY_MS 60000    /* Describe knows a new instance by then */
#define BOUGHT_BY_MS 600000 /* a launcher that stored nothing new for so long has gone */
#define END_MS 30000
#define LOOK_AGAIN_MS 1000
#define LIVE "pending,running,stopping,stopped"

int bl_compute_ec2_open(const struct bl_compute_options *options, void **self, struct bl_err *err)
{
	struct ec2_engine *engine;

	if (!options->aws || !options->stack)
		return bl_fail(err, BL_EBUG, "engine ec2 needs AWS and a stack");
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	engine->aws = options->aws;
	engine->stack = options->stack;
	engine->store = options->store;
	*self = engine;
	return 0;
}

static void ec2_close(void *self)
{
	free(self);
}

void ec2_engine_turn(struct ec2_engine *engine, const char *run, unsigned attempt)
{
	if (!strcmp(engine->run, run) && engine->attempt == attempt)
		return;
	snprintf(engine->run, sizeof(engine->run), "%s", run);
	engine->attempt = attempt;
	engine->empty_try = 0;
	engine->has_started = false;
}

/* --- By tag ----------------------------------------------------------------------------------- */

int ec2_engine_find(struct ec2_engine *engine, const struct bl_end_scope *scope, const char *states,
                    struct bl_ec2_instances *out, struct bl_err *err)
{
	struct bl_ec2_filter filters[8] = { { "tag:" BL_TAG "stack", engine->stack } };
	char attempt[16], pr[24];
	size_t n = 1;

	snprintf(attempt, sizeof(attempt), "%u", scope->attempt);
	snprintf(pr, sizeof(pr), "%lld", (long long)scope->pr);
	if (scope->run && *scope->run)
		filters[n++] = (struct bl_ec2_filter){ "tag:" BL_TAG "run", scope->run };
	if (scope->attempt)
		filters[n++] = (struct bl_ec2_filter){ "tag:" BL_TAG "attempt", attempt };
	if (scope->repository && *scope->repository)
		filters[n++] =
			(struct bl_ec2_filter){ "tag:" BL_TAG "repository", scope->repository };
	if (scope->pr)
		filters[n++] = (struct bl_ec2_filter){ "tag:" BL_TAG "pr", pr };
	if (scope->job && *scope->job)
		filters[n++] = (struct bl_ec2_filter){ "tag:" BL_TAG "job", scope->job };
	if (n == 1) /* never the whole stack's */
		return bl_fail(err, BL_EBUG, "whose instances is not said");
	if (states)
		filters[n++] = (struct bl_ec2_filter){ "instance-state-name", states };
	return bl_ec2_describe(engine->aws, NULL, 0, filters, n, out, err);
}

/* --- Probe ------------------------------------------------------------------------------------ */

/* What was bought, as far as the store says; read once. */
static int learn(struct ec2_engine *engine, const char *run, unsigned attempt, struct bl_err *err)
{
	ec2_engine_turn(engine, run, attempt);
	if (engine->has_started || !engine->store)
		return 0;
	if (!bl_started_read(engine->store, run, attempt, &engine->started, err)) {
		engine->has_started = true;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static void judge(const struct bl_ec2_instance *instance, struct bl_probe *out)
{
	out->found = true;
	snprintf(out->instance, sizeof(out->instance), "%s", instance->id);
	snprintf(out->state, sizeof(out->state), "%s", instance->state);
	if (!strcmp(instance->state, "pending") || !strcmp(instance->state, "running")) {
		out->owner = BL_ALIVE;
	} else if (!strcmp(instance->state, "stopping")) {
		out->owner = BL_UNKNOWN;
	} else {
		out->owner = BL_DEAD; /* a stopped one is not started again */
		out->gone = bl_compute_gone(instance->reason, instance->reason_text);
	}
}

static void lost(const char *why, const char *next, struct bl_probe *out)
{
	out->owner = BL_DEAD;
	out->gone = (struct bl_result){ .class = BL_CLASS_LOST,
		                        .status = bl_class_status(BL_CLASS_LOST),
		                        .stage = "box",
		                        .exit_code = -1 };
	snprintf(out->gone.message, sizeof(out->gone.message), "%s", why);
	snprintf(out->gone.next_step, sizeof(out->gone.next_step), "%s", next);
}

static int probe_known(struct ec2_engine *engine, struct bl_probe *out, struct bl_err *err)
{
	const char *id = engine->started.instance;
	BL_AUTO(bl_ec2_instances) list = { 0 };

	snprintf(out->instance, sizeof(out->instance), "%s", id);
	if (!bl_ec2_describe(engine->aws, &id, 1, NULL, 0, &list, err)) {
		if (list.n)
			judge(&list.items[0], out);
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	/* not known yet; or no longer, an hour after its end */
	if (bl_wall_ms() - engine->started.started_ms > SEEN_BY_MS)
		lost("EC2 no longer knows the instance", "it is tried again", out);
	return 0;
}

/* Whether whoever was to buy it has given up: it would have stored a try since. */
static int never_bought(struct ec2_engine *engine, const struct bl_run *run,
                        const struct bl_attempts *attempts, bool *out, struct bl_err *err)
{
	int64_t newest_ms = attempts->claim.claimed_at_ms;
	BL_AUTO(bl_try) try = { 0 };
	unsigned number = 0;

	*out = false;
	if (!engine->store)
		return 0;
	if (bl_try_newest(engine->store, run->id, attempts->newest, &number, err) ||
	    (number && bl_try_read(engine->store, run->id, attempts->newest, number, &try, err)))
		return -1;
	if (try.created_ms > newest_ms)
		newest_ms = try.created_ms;
	*out = bl_wall_ms() - newest_ms > BOUGHT_BY_MS;
	return 0;
}

static int probe_tagged(struct ec2_engine *engine, const struct bl_run *run,
                        const struct bl_attempts *attempts, struct bl_probe *out,
                        struct bl_err *err)
{
	const struct bl_end_scope scope = { .run = run->id, .attempt = attempts->newest };
	BL_AUTO(bl_ec2_instances) list = { 0 };
	bool none;

	if (ec2_engine_find(engine, &scope, NULL, &list, err))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		if (!i || bl_ec2_is_live(&list.items[i]))
			judge(&list.items[i], out);
	if (list.n)
		return 0;
	if (never_bought(engine, run, attempts, &none, err))
		return -1;
	if (none)
		lost("its launch was cut before an instance was bought", "it is tried again", out);
	return 0;
}

static int ec2_probe(void *self, const struct bl_run *run, const struct bl_attempts *attempts,
                     struct bl_probe *out, struct bl_err *err)
{
	struct bl_probe found = { .owner = BL_UNKNOWN };
	struct ec2_engine *engine = self;
	int rc = 0;

	/* a process on some machine is none of ours */
	if (attempts->newest && attempts->claim.instance_tag[0]) {
		if (learn(engine, run->id, attempts->newest, err))
			return -1;
		rc = engine->has_started && engine->started.instance[0]
		             ? probe_known(engine, &found, err)
		             : probe_tagged(engine, run, attempts, &found, err);
	}
	if (!rc)
		*out = found;
	return rc;
}

/* --- End -------------------------------------------------------------------------------------- */

int ec2_engine_terminate(struct ec2_engine *engine, const char *const *ids, size_t n, int look_ms,
                         size_t *n_ended, struct bl_err *err)
{
	int64_t until_ms = bl_mono_ms() + look_ms;

	do {
		if (bl_ec2_terminate(engine->aws, ids, n, END_MS, n_ended, err))
			return -1;
	} while (*n_ended < n && bl_mono_ms() < until_ms && bl_compute_pause(LOOK_AGAIN_MS, NULL));
	return 0;
}

static void note_run(struct bl_ended_boxes *boxes, const char *run)
{
	size_t n = 0;

	if (!run)
		return;
	for (; n < BL_COUNT(boxes->runs) && boxes->runs[n][0]; n++)
		if (!strcmp(boxes->runs[n], run))
			return;
	if (n < BL_COUNT(boxes->runs))
		snprintf(boxes->runs[n], sizeof(boxes->runs[n]), "%s", run);
}

static int end_list(struct ec2_engine *engine, const struct bl_ec2_instances *list,
                    struct bl_ended_boxes *boxes, struct bl_err *err)
{
	const char **ids = calloc(list->n ? list->n : 1, sizeof(*ids));
	size_t ended = 0;
	int rc;

	if (!ids)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < list->n; i++) {
		ids[i] = list->items[i].id;
		note_run(boxes, bl_ec2_tag_of(&list->items[i], BL_TAG "run"));
	}
	rc = bl_ec2_terminate(engine->aws, ids, list->n, END_MS, &ended, err);
	boxes->n += ended;
	free(ids);
	return rc;
}

static int end_tagged(struct ec2_engine *engine, const struct bl_end_scope *scope,
                      struct bl_ended_boxes *boxes, struct bl_err *err)
{
	int64_t until_ms = bl_mono_ms() + scope->look_ms;

	for (;;) {
		BL_AUTO(bl_ec2_instances) list = { 0 };

		if (ec2_engine_find(engine, scope, LIVE, &list, err))
			return -1;
		if (list.n)
			return end_list(engine, &list, boxes, err);
		/* what was just bought may not be seen yet; what was ended is */
		if (boxes->n || bl_mono_ms() >= until_ms)
			return 0;
		(void)bl_compute_pause(LOOK_AGAIN_MS, NULL);
	}
}

static bool names_tags(const struct bl_end_scope *scope)
{
	return (scope->run && *scope->run) || (scope->repository && *scope->repository) ||
	       (scope->job && *scope->job) || scope->pr || scope->attempt;
}

static int ec2_end(void *self, const struct bl_end_scope *scope, struct bl_ended_boxes *out,
                   struct bl_err *err)
{
	struct bl_ended_boxes boxes = { 0 };
	struct ec2_engine *engine = self;
	struct bl_err known = { 0 };
	int rc = 0;

	if (scope->instance && *scope->instance) {
		/* before anything is asked; what else there may be is ended all the same */
		if (!ec2_engine_terminate(engine, &scope->instance, 1, scope->look_ms, &boxes.n,
		                          &known))
			note_run(&boxes, boxes.n ? scope->run : NULL);
	} else if (!names_tags(scope)) {
		return bl_fail(err, BL_EBUG, "whose instances is not said");
	}
	if (names_tags(scope))
		rc = end_tagged(engine, scope, &boxes, err);
	if (known.code) {
		*err = known;
		rc = -1;
	}
	if (!rc)
		*out = boxes;
	return rc;
}

static int ec2_console(void *self, const struct bl_started *started, struct bl_buf *out,
                       struct bl_err *err)
{
	struct ec2_engine *engine = self;

	if (!started->instance[0])
		return 0;
	return bl_ec2_console(engine->aws, started->instance, out, err);
}

const struct bl_compute_ops bl_compute_ec2 = {
	.name = "ec2",
	.close = ec2_close,
	.start = ec2_engine_start,
	.probe = ec2_probe,
	.end = ec2_end,
	.console = ec2_console,
};
