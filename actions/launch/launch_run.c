/* SPDX-License-Identifier: Apache-2.0 */
/* Which run it is: the launch key, what runs on the machine, run.json. */
#include "actions/launch/launching.h"
#include "actions/place.h"
#include "actions/workflow.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "codec/json.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX ((size_t)64 << 20)

/* --- The launch key --------------------------------------------------------------------------- */

/* Jobs of one matrix differ in what they set over the file, or say what tells them apart. */
static int add_matrix(const struct launching *launching, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_value *overrides = launching->config.overrides;
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	if (launching->opt->matrix)
		bl_json_text(&json, "", launching->opt->matrix);
	for (size_t i = 0; overrides && i < overrides->n; i++) {
		const char *name = overrides->items[i]->text;

		if (name)
			bl_json_value(&json, name, bl_value_path(launching->config.tree, name));
	}
	bl_json_end_map(&json);
	return bl_buf_check(out, "matrix", err);
}

static int make_key(struct launching *launching, bool with_attempt, struct bl_err *err)
{
	BL_AUTO(bl_buf) matrix = BL_BUF(BL_DOC_MAX), job = BL_BUF(1024);
	const char *id = bl_env("GITHUB_REPOSITORY_ID");
	struct bl_launch_id parts = { .repository_id = *id ? id : launching->cloud.repo_key,
		                      .workflow_run = bl_env("GITHUB_RUN_ID") };

	bl_buf_addf(&job, "%s/%s", bl_env("GITHUB_JOB"), launching->config.job);
	if (add_matrix(launching, &matrix, err) || bl_buf_check(&job, "job", err))
		return -1;
	parts.job = bl_buf_text(&job);
	parts.matrix = bl_buf_text(&matrix);
	if (with_attempt)
		parts.run_attempt =
			*bl_env("GITHUB_RUN_ATTEMPT") ? bl_env("GITHUB_RUN_ATTEMPT") : "1";
	return bl_launch_key(&parts, launching->key, err);
}

/* What the key that is set means; launching->run: the run that it names, "" none. */
static int look_up(struct launching *launching, bool joined, struct bl_outcome *outcome,
                   struct bl_err *err)
{
	struct bl_store *store = launching->cloud.store;
	BL_AUTO(bl_run) run = { 0 };
	bool has_key, has_run = false, has_outcome = false;

	launching->run[0] = '\0';
	has_key = !bl_launch_key_read(store, launching->key, launching->run, err);
	if (has_key)
		has_run = !bl_run_read(store, launching->run, &run, err);
	if (has_run) {
		launching->estimate.usd_max =
			bl_value_real_or(run.doc, "compute.estimate.usd_max", (double)NAN);
		has_outcome = !bl_outcome_read(store, launching->run, outcome, err);
	}
	if (err->code && err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	launching->adopt = bl_launch_adopt(has_key, has_run, has_outcome ? outcome : NULL, joined);
	return 0;
}

static int failed_already(const struct launching *launching, const struct bl_outcome *outcome,
                          struct bl_err *err)
{
	bl_fail(err, bl_class_code(outcome->result.class),
	        "run %s of this very job has ended: %s: %s", launching->run,
	        bl_class_word(outcome->result.class), outcome->result.message);
	return bl_next(err, "run the job again: its next attempt starts a new run");
}

int phase_key(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	struct bl_outcome outcome;

	launching->adopt = BL_ADOPT_CREATE;
	if (!launching->guarded.in_workflow || !*bl_env("GITHUB_RUN_ID")) {
		bl_buf_adds(said, "a new run");
		return 0;
	}
	if (make_key(launching, false, err) || look_up(launching, false, &outcome, err))
		return -1;
	if (launching->adopt == BL_ADOPT_NEXT_KEY &&
	    (make_key(launching, true, err) || look_up(launching, true, &outcome, err)))
		return -1;
	if (launching->adopt == BL_ADOPT_FAILED)
		return failed_already(launching, &outcome, err);
	if (launching->adopt == BL_ADOPT_CREATE)
		bl_buf_addf(said, "a new run%s%s", *launching->run ? ", as " : "", launching->run);
	else
		bl_buf_addf(said, "adopts %s%s", launching->run,
		            launching->adopt == BL_ADOPT_DONE ? ", which has succeeded" : "");
	return 0;
}

/* --- What runs on the machine ----------------------------------------------------------------- */

/* The release has a folder for each architecture beside the other. */
static int find_runner(const char *arch, char *path, size_t size, struct bl_err *err)
{
#ifdef __aarch64__
	const char *ours = "arm64";
#else
	const char *ours = "x86_64";
#endif
	char beside[64];

	if (!*arch || !strcmp(arch, ours))
		return bl_proc_beside("branchline-runner", path, size, err);
	snprintf(beside, sizeof(beside), "../linux-%s/branchline-runner",
	         strcmp(arch, "arm64") ? arch : "aarch64");
	return bl_proc_beside(beside, path, size, err);
}

/* Its name is its content: one that is there is the same. */
static int upload(struct bl_store *store, const char *sha256, const struct bl_buf *bytes,
                  bool *was_there, struct bl_err *err)
{
	BL_AUTO(bl_buf) first = BL_BUF(16);
	uint64_t total = 0;
	char key[128];

	snprintf(key, sizeof(key), "host/%s/branchline-runner", sha256);
	*was_there = !bl_store_get_range(store, NULL, key, 0, 1, &first, &total, err);
	if (*was_there && total == bytes->len)
		return 0;
	if (!*was_there && err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	BL_FAILPOINT("launch.host.before");
	if (bl_store_put_if_absent(store, NULL, key, bytes->data, bytes->len, err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err);
	}
	BL_FAILPOINT("launch.host.after");
	return 0;
}

int phase_host(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(HOST_MAX);
	bool was_there = true;
	char path[PATH_MAX];

	if (launching->is_local) {
		bl_buf_adds(said, "the one beside this program");
		return 0;
	}
	if (find_runner(launching->wanted.arch ? launching->wanted.arch : "", path, sizeof(path),
	                err) ||
	    bl_fs_read_path(path, &bytes, err) ||
	    bl_sha256_of(bl_buf_text(&bytes), bytes.len, launching->host_sha256, err))
		return -1;
	if (!launching->is_plan &&
	    upload(launching->cloud.store, launching->host_sha256, &bytes, &was_there, err))
		return -1;
	bl_buf_addf(said, "%.12s, ", launching->host_sha256);
	bl_str_add_bytes(said, bytes.len);
	bl_buf_adds(said, was_there ? "" : ", sent");
	return 0;
}

/* --- run.json --------------------------------------------------------------------------------- */

static void name_types(const struct launching *launching, struct bl_spec_type *types, size_t *n)
{
	*n = launching->fits.n;
	for (size_t i = 0; i < launching->fits.n; i++) {
		const struct bl_fit *fit = &launching->fits.items[i];

		types[i] =
			(struct bl_spec_type){ fit->type.name,
			                       launching->cloud.stack.templates[fit->template].id };
	}
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static void describe_cloud(const struct launching *launching, struct bl_spec_type *types,
                           char actions_url[WORKFLOW_URL_SIZE], struct bl_spec_cloud *out)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	const struct guarded *guarded = &launching->guarded;
	const char *id = bl_env("GITHUB_REPOSITORY_ID");

	*out = (struct bl_spec_cloud){
		.repository_id = is_number(id) ? id : NULL,
		.labeller = guarded->labeller,
		.base_sha = guarded->base_sha,
		.pr = guarded->pr,
		.image = launching->image,
		.image_digest = launching->image_digest,
		.base_digest = launching->base_digest,
		.image_arch = launching->needs.arch,
		.image_cuda = launching->needs.cuda,
		.stack = launching->cloud.has_stack ? stack->name : NULL,
		.region = launching->cloud.has_stack ? stack->region : NULL,
		.market = launching->is_local ? NULL : bl_market_word(launching->market),
		.launch_key = launching->key,
		.types = types,
		.host_sha256 = launching->host_sha256,
		.actions_url = actions_url,
		.usd_hour_low = launching->estimate.usd_hour_low,
		.usd_hour_high = launching->estimate.usd_hour_high,
		.disk_usd_hour = launching->estimate.disk_usd_hour,
		.usd_max = launching->estimate.usd_max,
	};
	name_types(launching, types, &out->n_types);
	workflow_job_url(actions_url);
}

static const char *actor_of(const struct launching *launching)
{
	if (launching->guarded.actor[0])
		return launching->guarded.actor;
	return *bl_env("GITHUB_ACTOR") ? bl_env("GITHUB_ACTOR") : bl_env("USER");
}

int launch_spec(struct launching *launching, const char *run, struct bl_buf *out,
                struct bl_err *err)
{
	struct bl_spec_type types[BL_LAUNCH_TYPES_MAX];
	char url[WORKFLOW_URL_SIZE], nonce[BL_NONCE_SIZE], name[PATH_MAX];
	struct bl_spec_cloud cloud;
	struct bl_spec spec = {
		.run = run,
		.nonce = nonce,
		.kind = "cloud",
		.created_ms = bl_wall_ms(),
		.actor = actor_of(launching),
		.config = &launching->config,
		.git = &launching->git,
		.repo_key = launching->cloud.repo_key,
		.channels = launching->channels,
		.n_channels = launching->n_channels,
		.data_digest = launching->data_digest,
		.engine = launching->is_local ? "process" : "ec2",
		.root = launching->is_local ? launching->cloud.root : "",
		.cwd = launching->is_local ? launching->cloud.root : "",
		.cloud = &cloud,
	};

	if (bl_str_random(nonce, sizeof(nonce) - 1, err))
		return -1;
	describe_cloud(launching, types, url, &cloud);
	spec.repo_name =
		place_repo_name(&launching->cloud.git, launching->cloud.root, name, sizeof(name));
	bl_spec_write(&spec, out);
	return bl_buf_check(out, "run.json", err);
}

int launch_own_key(struct launching *launching, const char *run, struct bl_err *err)
{
	const struct bl_launch_id own = { .repository_id = launching->cloud.repo_key,
		                          .workflow_run = run };

	return launching->key[0] ? 0 : bl_launch_key(&own, launching->key, err);
}

static int take_key(struct launching *launching, struct bl_err *err)
{
	if (!launching->run[0] &&
	    bl_run_id_make(bl_wall_ms(), launching->commit.sha, launching->run, err))
		return -1;
	if (!launching->key[0])
		return launch_own_key(launching, launching->run, err);
	BL_FAILPOINT("launch.key.before");
	if (bl_launch_key_take(launching->cloud.store, launching->key, launching->run, err))
		return -1;
	BL_FAILPOINT("launch.key.after");
	return 0;
}

int phase_store(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	struct bl_buf *text = &launching->spec;
	struct bl_key key;

	*text = BL_BUF(BL_DOC_MAX);
	if (take_key(launching, err) || launch_spec(launching, launching->run, text, err))
		return -1;
	key = bl_key_run(launching->run, "run.json");
	BL_FAILPOINT("launch.run.before");
	if (bl_store_put_if_absent(launching->cloud.store, NULL, key.text, text->data, text->len,
	                           err)) {
		if (err->code != BL_EEXIST)
			return bl_wrap(err, "store run %s", launching->run);
		/* its reply was lost, or this job's other launch was first: that one counts */
		bl_err_clear(err);
		bl_buf_reset(text);
	}
	BL_FAILPOINT("launch.run.after");
	bl_buf_adds(said, launching->run);
	return 0;
}
