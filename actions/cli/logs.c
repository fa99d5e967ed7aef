/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/attempt.h"
#include "run/run.h"
#include "run/stream.h"
#include "run/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 2000
#define TAIL_MAX_BYTES (64u << 20)

struct options {
	const char *store;
	bool follow, metrics;
	int64_t lines;
};

static const struct bl_option table[] = {
	{ "follow", 'f', BL_OPT_SWITCH, offsetof(struct options, follow), NULL,
	  "go on until the run has ended" },
	{ "lines", 'n', BL_OPT_NUMBER, offsetof(struct options, lines), "N",
	  "begin with the last N lines; default all" },
	{ "metrics", 0, BL_OPT_SWITCH, offsetof(struct options, metrics), NULL,
	  "the metrics stream, JSON lines, instead of the log" },
	PLACE_OPT_STORE(struct options),
};

static const struct bl_usage usage = {
	.verb = "logs",
	.example = "branchline logs -f latest\nbranchline logs --metrics latest",
	.about = "Prints what a run's command printed, of all its attempts.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

struct printing {
	bool github, stopped; /* in Actions: commands in the log are not obeyed */
	char token[33];
	unsigned attempt;
	bool begun;
};

static int print_bytes(const char *bytes, size_t len, struct bl_err *err)
{
	if (fwrite(bytes, 1, len, stdout) != len || fflush(stdout))
		return bl_fail_errno(err, errno, "write to standard output");
	return 0;
}

static int begin(struct printing *printing, struct bl_err *err)
{
	if (!printing->github || printing->stopped)
		return 0;
	if (bl_str_random(printing->token, sizeof(printing->token) - 1, err))
		return -1;
	printf("::stop-commands::%s\n", printing->token);
	printing->stopped = true;
	return 0;
}

static void end(struct printing *printing)
{
	if (printing->stopped)
		printf("\n::%s::\n", printing->token);
	printing->stopped = false;
}

static int print_piece(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	struct printing *printing = arg;

	if (printing->begun && piece->attempt != printing->attempt)
		bl_log(BL_LOG_INFO, "attempt %u", piece->attempt);
	printing->begun = true;
	printing->attempt = piece->attempt;
	if (piece->dropped)
		bl_log(BL_LOG_WARN, "%llu bytes were dropped here",
		       (unsigned long long)piece->dropped);
	return print_bytes(piece->bytes, piece->len, err);
}

/* Says that somebody reads along: chunks are closed sooner then. */
static void wave(struct place *place, const char *run, int64_t *seq, int64_t *waved_ms)
{
	struct bl_err err = { 0 };

	if (*waved_ms && bl_mono_ms() - *waved_ms < BL_WAITER_MS)
		return;
	*waved_ms = bl_mono_ms();
	if (bl_waiter_write(place->store, run, ++*seq, "logs", &err))
		bl_log_err(BL_LOG_DEBUG, &err);
}

/* A store across a network comes back: whoever follows waits. */
static bool say_out_of_reach(struct bl_err *err, bool *said)
{
	if (err->code != BL_ERETRY && err->code != BL_ETIMEOUT)
		return false;
	if (!*said)
		bl_log(BL_LOG_WARN, "%s; this is tried again until it works", err->text);
	*said = true;
	bl_err_clear(err);
	return true;
}

static int follow(struct place *place, const char *run, enum bl_stream stream,
                  struct bl_cursor *cursor, struct printing *printing, struct bl_err *err)
{
	struct timespec pause = { POLL_MS / 1000, POLL_MS % 1000 * 1000000L };
	int64_t seq = 0, waved_ms = 0;
	bool said = false;

	for (;;) {
		struct bl_run_summary summary;
		bool over;

		if (bl_run_summarise(place->store, run, &summary, err) ||
		    bl_stream_read(place->store, run, stream, cursor, print_piece, printing, err)) {
			if (!say_out_of_reach(err, &said))
				return -1;
			nanosleep(&pause, NULL);
			continue;
		}
		said = false;
		over = summary.state == BL_RUN_ENDED || summary.state == BL_RUN_RESUMABLE;
		if (over) {
			bl_log(BL_LOG_INFO, "run %s: %s", run, summary.word);
			return 0;
		}
		wave(place, run, &seq, &waved_ms);
		nanosleep(&pause, NULL);
	}
}

/* An empty log has its reasons. */
static int say_nothing(struct place *place, const char *run, struct bl_err *err)
{
	struct bl_run_summary summary;

	if (bl_run_summarise(place->store, run, &summary, err))
		return -1;
	bl_log(BL_LOG_INFO, "nothing that run %s printed is stored; it is %s%s", run, summary.word,
	       summary.state == BL_RUN_RUNNING ? ": --follow waits for what it prints" : "");
	return 0;
}

static int print(struct place *place, const char *run, const struct options *opt,
                 struct printing *printing, struct bl_err *err)
{
	enum bl_stream stream = opt->metrics ? BL_STREAM_METRICS : BL_STREAM_LOG;
	BL_AUTO(bl_buf) tail = BL_BUF(TAIL_MAX_BYTES);
	struct bl_cursor cursor = { 0 };

	if (begin(printing, err))
		return -1;
	if (opt->lines >= 0 && (bl_stream_tail(place->store, run, stream, (size_t)opt->lines,
	                                       TAIL_MAX_BYTES, &tail, &cursor, err) ||
	                        print_bytes(bl_buf_text(&tail), tail.len, err)))
		return -1;
	if (opt->lines < 0 &&
	    bl_stream_read(place->store, run, stream, &cursor, print_piece, printing, err))
		return -1;
	if (opt->follow)
		return follow(place, run, stream, &cursor, printing, err);
	return printing->begun || tail.len ? 0 : say_nothing(place, run, err);
}

int verb_logs(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	struct options opt = { .lines = -1 };
	struct printing printing = { .github = bl_log_format() == BL_LOG_GITHUB };
	char run[BL_RUN_SIZE];
	int rc;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, opt.follow ? BL_STORE_WRITE : BL_STORE_READ, err) ||
	    place_run(&place, args.n_words ? args.words[0] : NULL, run, err))
		return bl_wrap(err, "logs");
	rc = print(&place, run, &opt, &printing, err);
	end(&printing);
	return rc ? bl_wrap(err, "logs") : 0;
}
