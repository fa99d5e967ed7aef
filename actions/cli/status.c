/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "run/attempt.h"
#include "run/heartbeat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VALUE_COLUMNS 600

struct options {
	const char *store;
	bool json;
};

static const struct bl_option table[] = {
	PLACE_OPT_STORE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "status",
	.example = "branchline status latest",
	.about =
		"Says where a run stands: state, step, newest metrics and checkpoint, who runs it.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

/* All that status shows of one run. */
struct facts {
	struct bl_run_summary run;
	struct bl_attempts attempts;
	struct bl_heartbeat beat; /* seq 0: none yet */
};

static int read_facts(struct place *place, const char *run, struct facts *out, struct bl_err *err)
{
	if (bl_run_summarise(place->store, run, &out->run, err) ||
	    bl_attempts_read(place->store, run, &out->attempts, err))
		return -1;
	bl_heartbeat_init(&out->beat, out->attempts.newest);
	if (!out->attempts.newest ||
	    !bl_heartbeat_read(place->store, run, out->attempts.newest, &out->beat, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static void line(const char *name, const char *value)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	if (!*value)
		return;
	show_text(value, VALUE_COLUMNS, &text);
	printf("%-11s %s\n", name, bl_buf_text(&text));
}

/* The clock that wrote it may be ahead of ours. */
static void add_ago(struct bl_buf *out, int64_t at_ms)
{
	int64_t ms = bl_wall_ms() - at_ms;

	bl_str_add_duration(out, ms > 0 ? ms : 0);
	bl_buf_adds(out, " ago");
}

static void print_progress(const struct facts *facts)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);

	show_step(facts->run.step, facts->run.total_steps, &text);
	line("step", bl_buf_text(&text));
	bl_buf_reset(&text);
	for (size_t i = 0; i < facts->beat.n_metrics && i < 8; i++)
		bl_buf_addf(&text, "%s%s %.5g", i ? ", " : "", facts->beat.metrics[i].name,
		            facts->beat.metrics[i].value);
	line("metrics", bl_buf_text(&text));
	if (!*facts->beat.checkpoint.manifest)
		return;
	bl_buf_reset(&text);
	add_ago(&text, facts->beat.checkpoint.at_ms);
	if (!isnan(facts->beat.checkpoint.step))
		bl_buf_addf(&text, ", training was at step %.0f", facts->beat.checkpoint.step);
	line("checkpoint", bl_buf_text(&text));
}

static void print_attempt(const struct facts *facts)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	const struct bl_attempts *attempts = &facts->attempts;
	char holder[48];

	if (!attempts->newest)
		return;
	bl_claim_holder(&attempts->claim, holder);
	bl_buf_addf(&text, "%u", attempts->newest);
	if (attempts->interruptions)
		bl_buf_addf(&text, ", %u interrupted", attempts->interruptions);
	if (!attempts->newest_ended)
		bl_buf_addf(&text, ", %s by %s",
		            facts->run.state == BL_RUN_RESUMABLE ? "was held" : "held", holder);
	line("attempt", bl_buf_text(&text));
	bl_buf_reset(&text);
	if (facts->beat.seq && facts->run.state != BL_RUN_ENDED) {
		add_ago(&text, facts->beat.at_ms);
		line("heartbeat", bl_buf_text(&text));
	}
}

static void print_end(const struct bl_run_summary *run)
{
	BL_AUTO(bl_buf) text = BL_BUF(256);
	char when[BL_UTC_SIZE];

	if (!run->finished_ms)
		return;
	bl_utc_text(run->finished_ms, when);
	bl_buf_addf(&text, "%s, after ", when);
	bl_str_add_duration(
		&text, run->finished_ms > run->created_ms ? run->finished_ms - run->created_ms : 0);
	line("ended", bl_buf_text(&text));
}

static void print_facts(const struct facts *facts)
{
	const struct bl_run_summary *run = &facts->run;
	char code[160], when[BL_UTC_SIZE];

	snprintf(code, sizeof(code), "%.8s%s %.100s", run->sha, run->dirty ? " + changes" : "",
	         run->subject);
	bl_utc_text(run->created_ms, when);
	line("run", run->id);
	line("state", run->word);
	line("job", run->job);
	line("branch", run->branch);
	line("code", *run->sha ? code : "");
	line("started", when);
	print_end(run);
	if (run->state == BL_RUN_RUNNING || run->state == BL_RUN_STOPPING)
		line("phase", run->phase);
	print_attempt(facts);
	print_progress(facts);
	line("why", run->message);
	if (facts->attempts.has_outcome)
		line("next", facts->attempts.outcome.result.next_step);
	else if (run->state == BL_RUN_RESUMABLE)
		printf("%-11s `branchline local --resume %s` goes on with it\n", "next", run->id);
}

static int print_json(const struct facts *facts, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	BL_AUTO(bl_buf) beat = BL_BUF(1u << 20);
	struct bl_json json = { .buf = &text, .indent = 2 };
	BL_VALUE tree = NULL;

	bl_heartbeat_encode(&facts->beat, &beat);
	if (bl_buf_check(&beat, "heartbeat", err) ||
	    bl_json_parse(bl_buf_text(&beat), beat.len, "heartbeat", &tree, err))
		return -1;
	bl_json_begin(&json, 1);
	bl_json_list(&json, "runs");
	show_summary_json(&json, &facts->run);
	bl_json_end_list(&json);
	bl_json_int(&json, "interruptions", facts->attempts.interruptions);
	bl_json_bool(&json, "stop_wanted", facts->attempts.stop_wanted);
	if (facts->beat.seq)
		bl_json_value(&json, "heartbeat", tree);
	else
		bl_json_null(&json, "heartbeat");
	if (facts->attempts.has_outcome) {
		bl_json_map(&json, "outcome");
		bl_result_write(&json, &facts->attempts.outcome.result);
		bl_json_end_map(&json);
	} else {
		bl_json_null(&json, "outcome");
	}
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "status", err))
		return -1;
	puts(bl_buf_text(&text));
	return 0;
}

int verb_status(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	static struct facts facts; /* large */
	struct options opt = { 0 };
	char run[BL_RUN_SIZE];

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, BL_STORE_READ, err) ||
	    place_run(&place, args.n_words ? args.words[0] : NULL, run, err) ||
	    read_facts(&place, run, &facts, err))
		return bl_wrap(err, "status");
	if (opt.json)
		return print_json(&facts, err);
	print_facts(&facts);
	return 0;
}
