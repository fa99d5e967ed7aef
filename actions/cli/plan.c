/* SPDX-License-Identifier: Apache-2.0 */
/* What launch would do, without doing it. */
#include "actions/cli/plan.h"
#include "actions/options.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct launch_options, job), "JOB",
	  "job of branchline.yaml; default its default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct launch_options, file), "PATH",
	  "this file of the commit; default branchline.yaml" },
	{ "commit", 0, BL_OPT_TEXT, offsetof(struct launch_options, commit), "REV",
	  "what would be trained; default HEAD" },
	CLOUD_OPTIONS(struct launch_options),
	BL_OPT_JSON(struct launch_options),
};

static const struct bl_usage usage = {
	.verb = "plan",
	.example = "branchline plan\n"
		   "branchline plan --gpu l4 --max-runtime 2h --json",
	.about = "Shows what `launch` would do and what it would cost: the machines that fit with\n"
		 "today's prices, the estimate, what would be refused and why, and each request\n"
		 "with its tags. Nothing is bought or written.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
};

static const struct launch_phase needed[] = {
	{ "event", phase_event },
	{ "config", phase_config },
	{ "stack", phase_stack },
};

/* Each says by itself what is wrong: all of it is wanted at once. */
static const struct launch_phase judged[] = {
	{ "run", phase_key },       { "data", phase_data },      { "image", phase_image },
	{ "types", phase_types },   { "account", phase_checks }, { "prices", phase_prices },
	{ "budget", phase_budget }, { "host", phase_host },
};

static void judge(struct plan *plan)
{
	for (size_t i = 0; i < BL_COUNT(judged); i++) {
		struct plan_line *line = &plan->lines[plan->n_lines++];
		BL_AUTO(bl_buf) said = BL_BUF(sizeof(line->said) - 1);

		line->name = judged[i].name;
		line->refused = judged[i].run(&plan->launching, &said, &line->err) != 0;
		snprintf(line->said, sizeof(line->said), "%s", bl_buf_text(&said));
		if (line->refused && judged[i].run == phase_types)
			return; /* without machines there are no prices */
	}
}

/* The requests, as they would be sent now. */
static int write_requests(struct plan *plan, struct bl_err *err)
{
	struct launching *launching = &plan->launching;
	struct bl_start *start = &plan->start;
	BL_AUTO(bl_buf) spec = BL_BUF(BL_DOC_MAX);
	char id[BL_RUN_SIZE];

	if (!launching->purchases.n)
		return 0;
	if (bl_run_id_make(bl_wall_ms(), launching->commit.sha, id, err) ||
	    launch_own_key(launching, id, err) || launch_spec(launching, id, &spec, err) ||
	    bl_run_parse(bl_buf_text(&spec), spec.len, id, &plan->run, err) ||
	    bl_sha256_of(bl_buf_text(&spec), spec.len, plan->spec_sha256, err))
		return -1;
	*start = (struct bl_start){ .run = &plan->run,
		                    .attempt = 1,
		                    .purchases = launching->purchases.items,
		                    .n_purchases = launching->purchases.n,
		                    .disk_usd_hour = launching->estimate.disk_usd_hour,
		                    .spec_sha256 = plan->spec_sha256,
		                    .host_sha256 = launching->host_sha256,
		                    .launch_key = launching->key };
	return bl_launch_deadline(&plan->run, bl_wall_ms(), 0, &start->deadline_ms, err);
}

static void plan_done(struct plan *plan)
{
	bl_run_done(&plan->run);
	launching_done(&plan->launching);
}

static int make_plan(struct plan *plan, const struct launch_options *opt,
                     const struct bl_args *args, struct bl_buf *out, struct bl_err *err)
{
	static volatile int never;
	struct launching *launching = &plan->launching;

	launching->opt = opt;
	launching->args = args;
	launching->is_plan = true;
	launching->is_local = opt->cloud.compute && !strcmp(opt->cloud.compute, "local");
	launching->stop = &never;
	launching->notes = BL_BUF(65536);
	for (size_t i = 0; i < BL_COUNT(needed); i++) {
		BL_AUTO(bl_buf) said = BL_BUF(4096);

		if (needed[i].run(launching, &said, err))
			return bl_wrap(err, "%s", needed[i].name);
	}
	judge(plan);
	if (write_requests(plan, err))
		return -1;
	return opt->json ? plan_show_json(plan, out, err) : plan_show(plan, out, err);
}

int verb_plan(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_DOC_MAX);
	BL_AUTO(bl_args) args = { 0 };
	struct launch_options opt = { 0 };
	struct plan *plan;
	int rc;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	plan = calloc(1, sizeof(*plan)); /* large */
	if (!plan)
		return bl_fail(err, BL_ENOMEM, "plan: out of memory");
	rc = make_plan(plan, &opt, &args, &out, err);
	plan_done(plan);
	free(plan);
	if (rc || bl_buf_check(&out, "plan", err))
		return bl_wrap(err, "plan");
	fputs(bl_buf_text(&out), stdout);
	return 0;
}
