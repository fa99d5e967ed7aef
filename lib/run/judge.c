/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"
#include "codec/json.h"
#include "run/outcome.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHELL_SIGNAL 128 /* a shell's exit code for a child that signal N ended: 128 + N */

/* What a person does about a class when nobody nearer knew better. */
static const char *const next_steps[BL_CLASS_USER_EXIT + 1] = {
	[BL_CLASS_CONFIG] = "check `command` in branchline.yaml: it must name a program there is",
	[BL_CLASS_CUDA_OOM] = "use a smaller batch or a GPU with more memory",
	[BL_CLASS_HOST_OOM] = "use fewer data loader workers, or a machine with more memory",
	[BL_CLASS_NAN] =
		"lower the learning rate, clip gradients, or look at the data of that step",
	[BL_CLASS_STALL] = "find what it waits for; raise `stall` if silence is normal",
	[BL_CLASS_TIMEOUT] = "raise max_runtime, or start a new run from its newest checkpoint",
	[BL_CLASS_BUDGET] = "raise max_cost_usd, or start a new run from its newest checkpoint",
	[BL_CLASS_CANCELLED] = "--resume starts a new run from its newest checkpoint",
	[BL_CLASS_INTERRUPTED] = "--resume continues it from its newest checkpoint",
	[BL_CLASS_LOST] = "--resume continues it from its newest checkpoint",
	[BL_CLASS_STORAGE] = "make room, then --resume continues it from its newest checkpoint",
	[BL_CLASS_USER_EXIT] = "`branchline logs` shows what the command printed",
};

int bl_exit_record_parse(const char *bytes, size_t len, struct bl_exit_record *out,
                         struct bl_err *err)
{
	struct bl_exit_record got = { .present = true };
	const struct bl_value *stopped;
	BL_VALUE doc = NULL;

	if (bl_json_document(bytes, len, "exit.json", 1, &doc, err))
		return -1;
	got.spawned = bl_value_bool_or(doc, "spawned", false);
	got.exited = bl_value_bool_or(doc, "exited", false);
	got.code = (int)bl_value_int_or(doc, "code", -1);
	got.signal = (int)bl_value_int_or(doc, "signal", 0);
	if (got.spawned && !got.exited && got.signal <= 0)
		return bl_fail(err, BL_ECORRUPT, "exit.json: neither an exit nor a signal");
	stopped = bl_value_get(doc, "stop_delivered_at");
	got.stop_delivered = stopped && stopped->type != BL_NULL;
	snprintf(got.stop_reason, sizeof(got.stop_reason), "%s",
	         bl_value_text_or(doc, "stop_reason", ""));
	got.oom_kills = bl_value_int_or(doc, "oom_kills", 0);
	got.dropped_bytes = bl_value_int_or(doc, "dropped_bytes", 0);
	snprintf(got.error, sizeof(got.error), "%s", bl_value_text_or(doc, "error", ""));
	snprintf(got.next_step, sizeof(got.next_step), "%s",
	         bl_value_text_or(doc, "next_step", ""));
	*out = got;
	return 0;
}

int bl_verdict_parse(const char *bytes, size_t len, struct bl_verdict *out, struct bl_err *err)
{
	struct bl_verdict got = { 0 };
	BL_VALUE doc = NULL;
	const char *class;

	if (bl_json_document(bytes, len, "verdict.json", 1, &doc, err))
		return -1;
	class = bl_value_text_or(doc, "class", "");
	if (*class && bl_class_parse(class, &got.class, err))
		return bl_recode(err, BL_ECORRUPT);
	snprintf(got.message, sizeof(got.message), "%s", bl_value_text_or(doc, "message", ""));
	*out = got;
	return 0;
}

static void set(struct bl_result *out, enum bl_class class, const char *fmt, ...) BL_PRINTF(3);

static void set(struct bl_result *out, enum bl_class class, const char *fmt, ...)
{
	const char *next = next_steps[class];
	va_list args;

	out->class = class;
	out->status = bl_class_status(class);
	va_start(args, fmt);
	vsnprintf(out->message, sizeof(out->message), fmt, args);
	va_end(args);
	snprintf(out->next_step, sizeof(out->next_step), "%s", next ? next : "");
}

static void judge_stop(const struct bl_exit_record *record, const struct bl_verdict *verdict,
                       struct bl_result *out)
{
	enum bl_class class = BL_CLASS_CANCELLED;
	struct bl_err unknown = { 0 };

	/* a signal without the file `stop`, or with a word of another version, is `cancelled` */
	if (bl_class_parse(record->stop_reason, &class, &unknown) || class == BL_CLASS_NONE)
		class = BL_CLASS_CANCELLED;
	if (verdict->class == class && verdict->message[0])
		set(out, class, "%s", verdict->message);
	else if (class == BL_CLASS_CANCELLED)
		set(out, class, "stopped on request");
	else
		set(out, class, "stopped: %s", bl_class_word(class));
}

/* The kernel's OOM killer uses SIGKILL; a shell in between turns it into 137. */
static bool looks_killed(const struct bl_exit_record *record)
{
	return record->exited ? record->code == SHELL_SIGNAL + SIGKILL : record->signal == SIGKILL;
}

static void judge_failure(const struct bl_exit_record *record, const struct bl_verdict *verdict,
                          struct bl_result *out)
{
	enum bl_class class = verdict->class ? verdict->class : BL_CLASS_USER_EXIT;

	if (verdict->message[0])
		set(out, class, "%s", verdict->message);
	else if (!record->exited)
		set(out, class, "the command was ended by %s", bl_signal_name(record->signal));
	else if (record->code == 127)
		set(out, class, "the command exited with 127: a program was not found");
	else if (record->code == 126)
		set(out, class, "the command exited with 126: a program may not be executed");
	else if (record->code > SHELL_SIGNAL && record->code < SHELL_SIGNAL + 65)
		set(out, class, "the command exited with %d: %s ended what it ran", record->code,
		    bl_signal_name(record->code - SHELL_SIGNAL));
	else
		set(out, class, "the command exited with %d", record->code);
}

void bl_result_judge(const struct bl_exit_record *record, const struct bl_verdict *verdict,
                     bool we_killed, int64_t cgroup_oom_kills, struct bl_result *out)
{
	bool oom = cgroup_oom_kills > 0 || (record->present && record->oom_kills > 0);

	*out = (struct bl_result){ .stage = "training", .exit_code = -1 };
	if (!record->present) {
		if (oom)
			set(out, BL_CLASS_HOST_OOM, "out of memory: the kernel ended the command");
		else
			set(out, BL_CLASS_LOST, "ended without an exit record");
		return;
	}
	if (record->exited)
		out->exit_code = record->code;
	else if (record->spawned)
		out->signal = record->signal;
	if (record->stop_delivered) {
		judge_stop(record, verdict, out);
	} else if (!record->spawned) {
		out->exit_code = record->code;
		snprintf(out->stage, sizeof(out->stage), "start");
		set(out, BL_CLASS_CONFIG, "%s",
		    record->error[0] ? record->error : "the command could not be started");
		if (record->next_step[0]) /* exec knows the command, a table only the class */
			snprintf(out->next_step, sizeof(out->next_step), "%s", record->next_step);
	} else if (record->exited && !record->code) {
		set(out, BL_CLASS_NONE, "%s", "");
	} else if (oom && looks_killed(record) && !we_killed) {
		set(out, BL_CLASS_HOST_OOM, "out of memory: the kernel ended the command");
	} else {
		judge_failure(record, verdict, out);
	}
}
