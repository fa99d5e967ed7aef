/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "run/store.h"
#include "runner/host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRAYS_MS 10000 /* exec's own time for what it left behind, and some */
#define FINAL_MARGIN_MS 60000
#define END_MS 30000 /* to write the last words... */

#define ENV_MAX 12

void host_send_bulk(struct host *host, const struct ship_request *request)
{
	struct bl_err err = { 0 };

	host->bulk_since = bl_mono_ms();
	host->bulk_again_at = 0;
	if (lane_send(&host->bulk, request, &err))
		host_lane_lost(host, SHIP_BULK, &err);
}

void host_fail(struct host *host, enum bl_class class, const struct bl_err *err)
{
	snprintf(host->result.stage, sizeof(host->result.stage), "%s",
	         host_phases[host_phase(host->state)]);
	host->result.status = BL_STATUS_FAILURE;
	host->result.class = class;
	snprintf(host->result.message, sizeof(host->result.message), "%s", err->text);
	snprintf(host->result.next_step, sizeof(host->result.next_step), "%s", err->next);
}

/* What local's training sees beside the caller's own environment: design 4.5. */
struct run_env {
	char text[ENV_MAX][PATH_MAX + 64];
	const char *list[ENV_MAX + 1];
	size_t n;
};

static void add_env(struct run_env *env, const char *fmt, ...) BL_PRINTF(2);
static void add_env(struct run_env *env, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(env->text[env->n], sizeof(env->text[0]), fmt, args);
	va_end(args);
	env->list[env->n] = env->text[env->n];
	env->n++;
}

static void build_env(const struct host *host, struct run_env *env)
{
	const struct ship_claimed *claim = &host->claim;

	env->n = 0;
	add_env(env, "BRANCHLINE_ROOT=%s", claim->root);
	add_env(env, "BRANCHLINE_RUN_ID=%s", host->place.run);
	add_env(env, "BRANCHLINE_ATTEMPT=%u", claim->attempt);
	add_env(env, "BRANCHLINE_SHA=%s", claim->sha);
	add_env(env, "BRANCHLINE_METRICS=%s/output/branchline/metrics.in.jsonl", claim->root);
	add_env(env, "BRANCHLINE_CHECKPOINT_DIR=%s", claim->checkpoint_dir);
	add_env(env, "RESUME_FROM_CHECKPOINT=%s", host->resume_from);
	add_env(env, "TORCHELASTIC_ERROR_FILE=%s/output/branchline/error.json", claim->root);
	add_env(env, "WANDB_RUN_ID=%s", host->place.run);
	add_env(env, "WANDB_RESUME=allow");
	env->list[env->n] = NULL;
}

struct engine_spec host_engine_spec(const struct host *host, const char *const *env)
{
	return (struct engine_spec){ .root = host->claim.root, .env = env };
}

/* D of design 4.9, from now on. */
static int64_t deadline_ms(const struct host *host)
{
	return host->claim.budget_left_ms + host->claim.grace_ms + host->claim.flush_reserve_ms +
	       FINAL_MARGIN_MS;
}

static void start(struct host *host)
{
	static struct run_env env;
	struct engine_spec spec = host_engine_spec(host, env.list);
	struct ship_request started = { .op = SHIP_STARTED };
	int64_t now = bl_mono_ms();

	build_env(host, &env);
	BL_FAILPOINT("host.exec.before");
	if (host->engine.ops->start(&host->engine, &spec, &host->failure)) {
		host_fail(host, BL_CLASS_INTERNAL, &host->failure);
		host_event(host, HEV_FAILED);
		return;
	}
	BL_FAILPOINT("host.exec.after");
	host->stop_at = now + host->claim.budget_left_ms;
	host->deadline_at = now + deadline_ms(host);
	host->snapshot_at = now + HOST_SNAPSHOT_MS;
	host->progress_at = now;
	started.pid = host->engine.child.pid;
	started.deadline_ms = bl_wall_ms() + deadline_ms(host);
	host_event(host, HEV_DONE);
	host_send_bulk(host, &started);
}

static void stop_training(struct host *host, bool now)
{
	struct engine_spec spec = host_engine_spec(host, NULL);
	struct bl_err err = { 0 };
	int rc;

	if (host->state == HOST_FENCED)
		snprintf(host->stop_reason, sizeof(host->stop_reason), "fenced");
	if (now)
		rc = host->engine.ops->kill(&host->engine, &spec, host->stop_reason, &err);
	else
		rc = host->engine.ops->stop(&host->engine, &spec, host->stop_reason, &err);
	if (rc)
		host_note(host, "warn", "%s", err.text);
	host->over_at = bl_mono_ms() + (now ? 0 : host->claim.grace_ms) + STRAYS_MS;
	host->snapshot_at = 0;
	BL_FAILPOINT("host.stop.after");
}

static void collect(struct host *host)
{
	struct engine_spec spec = host_engine_spec(host, NULL);
	struct bl_err err = { 0 };

	host->stop_at = host->snapshot_at = 0;
	if (host->engine.ops->collect(&host->engine, &spec, &host->record, &host->verdict, &err))
		host_note(host, "warn", "%s", err.text);
	bl_result_judge(&host->record, &host->verdict, host->engine.we_killed, 0, &host->result);
	if (host->record.dropped_bytes)
		host_note(host, "warn",
		          "%lld bytes of output are not in the log: it reached max_log_bytes, or "
		          "the disk was full or too slow",
		          (long long)host->record.dropped_bytes);
}

double host_primary_value(const struct host *host)
{
	for (size_t i = 0; i < host->latest.n; i++)
		if (!strcmp(host->latest.values[i].name, host->claim.primary))
			return host->latest.values[i].value;
	return NAN;
}

/* Ends that cut a write short. A command that TERM ended had its time. */
static bool is_crash(int signum)
{
	switch (signum) {
	case SIGKILL:
	case SIGSEGV:
	case SIGBUS:
	case SIGABRT:
	case SIGILL:
	case SIGFPE:
	case SIGSYS:
	case SIGTRAP:
		return true;
	default:
		return false;
	}
}

static void send_last_snapshot(struct host *host)
{
	struct ship_request request = { .op = SHIP_SNAPSHOT };
	bool crashed =
		!host->record.present || host->engine.we_killed || is_crash(host->record.signal);

	host->want_final = false;
	request.when = (struct bl_snapshot_when){
		.ended = !crashed && (host->record.code == 0 || host->record.stop_delivered),
		.crashed = crashed,
		.crashed_wall_ms = bl_wall_ms(),
		.step = host->latest.step,
		.primary_value = host_primary_value(host),
	};
	host_send_bulk(host, &request);
}

void host_try_last_snapshot(struct host *host)
{
	if (host->state == HOST_FLUSHING && host->want_final && !host->awaits_tick &&
	    !host->bulk.busy && !host->bulk_again_at)
		send_last_snapshot(host);
}

static void flush(struct host *host)
{
	collect(host);
	host->over_at = host->flush_until = bl_mono_ms() + host->claim.flush_reserve_ms;
	BL_FAILPOINT("host.flush.before");
	host->want_final = true;
	host->awaits_tick = host->control.child.pid != 0;
	host->stale_tick = host->control.busy;
	if (host->awaits_tick && !host->stale_tick)
		host_send_control(host, SHIP_TICK);
	host_try_last_snapshot(host);
}

static void upload(struct host *host)
{
	struct ship_request request = { .op = SHIP_OUTPUTS };

	host->over_at = bl_mono_ms() + host->claim.flush_reserve_ms;
	BL_FAILPOINT("host.outputs.before");
	host_send_bulk(host, &request);
}

static void fill_tick(struct host *host, struct ship_request *request)
{
	snprintf(request->tick.phase, sizeof(request->tick.phase), "%s",
	         host_phases[host_phase(host->state)]);
	request->tick.beat = host->beat;
	memcpy(request->tick.phase_ms, host->phase_ms, sizeof(host->phase_ms));
	request->tick.phase_ms[host_phase(host->state)] += bl_mono_ms() - host->phase_since;
	memcpy(request->tick.manifest, host->published.manifest, sizeof(request->tick.manifest));
	request->tick.manifest_at_ms = host->published_at_wall_ms;
	request->tick.manifest_step = host->published_step;
}

void host_send_control(struct host *host, enum ship_op op)
{
	struct ship_request request = { .op = op };
	struct bl_err err = { 0 };

	fill_tick(host, &request);
	host->beat = false;
	if (lane_send(&host->control, &request, &err))
		host_lane_lost(host, SHIP_CONTROL, &err);
}

static void drain(struct host *host)
{
	host->tick_at = 0;
	host->over_at = bl_mono_ms() + host->claim.flush_reserve_ms;
	if (!host->control.busy)
		host_send_control(host, SHIP_DRAIN);
}

static void judge_stop(struct host *host)
{
	struct bl_exit_record stopped = { .present = true, .stop_delivered = true };

	snprintf(stopped.stop_reason, sizeof(stopped.stop_reason), "%s",
	         *host->stop_reason ? host->stop_reason : "interrupted");
	bl_result_judge(&stopped, &host->verdict, false, 0, &host->result);
}

/* A success is one whose outputs are stored and verified: given up before that, it is none. */
static void judge_unkept(struct host *host)
{
	struct bl_err err = { 0 };

	if (host->result.status != BL_STATUS_SUCCESS)
		return;
	if (host->kept) {
		if (!host->drained)
			snprintf(host->result.message, sizeof(host->result.message),
			         "the end of its log is not stored: it was stopped before");
		return;
	}
	if (*host->stop_reason) {
		judge_stop(host);
		return;
	}
	bl_fail(&err, BL_ETIMEOUT, "its outputs were not stored within flush_reserve");
	bl_next(&err, "raise flush_reserve, then --resume continues it from its newest checkpoint");
	host_fail(host, BL_CLASS_STORAGE, &err);
}

/* ... and longer across a network: without them the run would have to be resumed for nothing. */
static int64_t end_ms(const struct host *host)
{
	if (!bl_store_is_remote(host->place.store) || host->hurried ||
	    host->claim.flush_reserve_ms < END_MS)
		return END_MS;
	return host->claim.flush_reserve_ms;
}

static void end(struct host *host)
{
	struct ship_request request = { .op = SHIP_END };
	struct bl_err err = { 0 };

	host->tick_at = host->snapshot_at = host->stop_at = 0;
	host->bulk_again_at = host->control_again_at = 0;
	host->over_at = bl_mono_ms() + end_ms(host);
	/* a stop before anything ran is judged as one delivered: the table knows the words */
	if (!host->record.present && !host->result.message[0]) {
		judge_stop(host);
		host->result.exit_code = -1;
		snprintf(host->result.stage, sizeof(host->result.stage), "start");
	}
	judge_unkept(host);
	request.result = host->result;
	request.last_step = host->latest.step;
	memcpy(request.outputs_crc, host->outputs.crc, sizeof(request.outputs_crc));
	BL_FAILPOINT("host.end.before");
	if (host->bulk.busy && lane_replace(&host->bulk, &err)) { /* stuck in an upload */
		host_lane_lost(host, SHIP_BULK, &err);
		return;
	}
	host_send_bulk(host, &request);
}

/* Given up while the store was out of reach. */
static void say_unwritten(struct host *host)
{
	if (host->settled || host->fenced || host->failure.code || !host->unreachable)
		return;
	bl_fail(&host->failure, BL_ERETRY,
	        "the store could not be reached: how attempt %u ended is not written",
	        host->claim.attempt);
	bl_next(&host->failure,
	        "once it can be: `branchline local --resume %s`; what was not stored is in %s",
	        host->place.run, host->claim.root);
}

void host_act(struct host *host, enum host_act act)
{
	struct ship_request restore = { .op = SHIP_RESTORE };

	switch (act) {
	case HACT_IGNORE:
	case HACT_MOVE:
	case HACT_GIVE_UP:
		break;
	case HACT_QUIT:
		say_unwritten(host);
		break;
	case HACT_RESTORE:
		host_send_bulk(host, &restore);
		break;
	case HACT_START:
		start(host);
		break;
	case HACT_TERM:
		stop_training(host, false);
		break;
	case HACT_KILL:
		stop_training(host, true);
		break;
	case HACT_FLUSH:
		flush(host);
		break;
	case HACT_UPLOAD:
		upload(host);
		break;
	case HACT_DRAIN:
		drain(host);
		break;
	case HACT_END:
		end(host);
		break;
	}
}
