/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/verdict.h"

#include "base/proc.h"
#include "base/str.h"
#include "codec/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define FAILURE_CHARACTERS 1024 /* SageMaker keeps no more */
#define PART_MAX ((size_t)2048)
#define TAIL_LINES 30
#define TAIL_BYTES 4096

struct span {
	const char *at;
	size_t len;
};

static bool starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && !memcmp(s.at, prefix, n);
}

static bool holds(struct span s, const char *needle)
{
	return s.len && memmem(s.at, s.len, needle, strlen(needle));
}

static struct span trim(struct span s)
{
	while (s.len && isspace((unsigned char)s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && isspace((unsigned char)s.at[s.len - 1]))
		s.len--;
	return s;
}

/* Takes the next line from rest: it ends at \n or \r. */
static bool next_line(struct span *rest, struct span *line)
{
	size_t n = 0;

	if (!rest->len)
		return false;
	while (n < rest->len && rest->at[n] != '\n' && rest->at[n] != '\r')
		n++;
	*line = (struct span){ rest->at, n };
	n += n < rest->len;
	rest->at += n;
	rest->len -= n;
	return true;
}

/* torch writes "[rank0]: " in front of a rank's traceback, torchrun --tee "[default0]:". */
static struct span without_rank(struct span line)
{
	size_t n = 1;

	if (!starts(line, "[rank") && !starts(line, "[default"))
		return line;
	while (n < line.len && line.at[n] != ']')
		n++;
	if (n + 1 >= line.len || line.at[n + 1] != ':')
		return line;
	n += 2;
	n += n < line.len && line.at[n] == ' ';
	return (struct span){ line.at + n, line.len - n };
}

/* The launcher's own traceback only says that some child failed. */
static bool is_launchers(struct span exception)
{
	return starts(exception, "torch.distributed.elastic.") ||
	       starts(exception, "subprocess.CalledProcessError");
}

/*
 * The line after the frames of a traceback, "ValueError: no such key". rest is behind the header.
 * A line that ends in ':' gets the next one too: the cause stands there.
 */
static struct span exception_after(struct span rest, struct span *second)
{
	struct span line;

	*second = (struct span){ 0 };
	while (next_line(&rest, &line)) {
		line = without_rank(line);
		if (!line.len || line.at[0] == ' ' || line.at[0] == '\t')
			continue;
		if (line.at[line.len - 1] == ':' && next_line(&rest, second))
			*second = trim(without_rank(*second));
		return line;
	}
	return (struct span){ 0 };
}

/* What Python says of source that does not compile has no header: take such a last line. */
static struct span bare_error(struct span tail)
{
	struct span line, last = { 0 };

	while (next_line(&tail, &line))
		if (trim(line).len)
			last = without_rank(line);
	size_t word = 0;
	while (word < last.len && (isalnum((unsigned char)last.at[word]) || last.at[word] == '_' ||
	                           last.at[word] == '.'))
		word++;
	bool is_error = word >= 5 && word + 1 < last.len && last.at[word] == ':' &&
	                !memcmp(last.at + word - 5, "Error", 5);
	return is_error ? last : (struct span){ 0 };
}

static struct span last_exception(struct span tail, struct span *second)
{
	struct span rest = tail, line, found = { 0 }, launchers = { 0 };

	*second = (struct span){ 0 };
	while (next_line(&rest, &line)) {
		struct span more, exception;

		if (!starts(without_rank(line), "Traceback (most recent call last)"))
			continue;
		exception = exception_after(rest, &more);
		if (is_launchers(exception)) {
			launchers = exception;
		} else if (exception.len) {
			found = exception;
			*second = more;
		}
	}
	if (!found.len && !launchers.len)
		return bare_error(tail);
	return found.len ? found : launchers;
}

static bool says_cuda_oom(struct span line)
{
	static const char *const signs[] = {
		"CUDA out of memory",
		"CUDA error: out of memory",
		"OutOfMemoryError",
		"CUBLAS_STATUS_ALLOC_FAILED",
	};

	for (size_t i = 0; i < BL_COUNT(signs); i++)
		if (holds(line, signs[i]))
			return true;
	return false;
}

/* The last line that says so, unless a later exception is about something else: it was caught. */
static struct span cuda_oom_line(struct span text)
{
	struct span rest = text, line, found = { 0 }, second;
	struct span exception = last_exception(text, &second);

	while (next_line(&rest, &line))
		if (says_cuda_oom(line))
			found = trim(without_rank(line));
	if (found.len && exception.at > found.at && !is_launchers(exception) &&
	    !says_cuda_oom(exception) && !says_cuda_oom(second))
		return (struct span){ 0 };
	return found;
}

static void add_part(struct bl_buf *raw, struct span part)
{
	if (part.len)
		bl_buf_add(raw, part.at, part.len < PART_MAX ? part.len : PART_MAX);
}

/* One line of UTF-8: control characters become blanks, what is too long is cut. */
static void set_message(struct verdict *out, struct span first, struct span second)
{
	BL_AUTO(bl_buf) raw = BL_BUF(2 * PART_MAX + 1);
	BL_AUTO(bl_buf) text = BL_BUF(8 * PART_MAX);
	size_t len;

	add_part(&raw, first);
	if (second.len)
		bl_buf_addc(&raw, ' ');
	add_part(&raw, second);
	if (!raw.len || raw.failed)
		return;
	/* before the bytes become characters: an escape sequence may hold half of one */
	bl_utf8_add(&text, raw.data, bl_str_strip_ansi(raw.data, raw.len));
	len = text.failed ? 0 : text.len;
	if (len >= sizeof(out->message)) {
		len = sizeof(out->message) - 1;
		while (len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		out->message[i] = iscntrl((unsigned char)text.data[i]) ? ' ' : text.data[i];
	out->message[len] = '\0';
}

/* The class that a message tells of. */
static const char *class_of(struct span message)
{
	static const struct {
		const char *sign, *class;
	} table[] = {
		{ "No space left on device", "storage" },
		{ "Disk quota exceeded", "storage" },
		{ "uncorrectable ECC error", "gpu" },
		{ "fallen off the bus", "gpu" },
	};

	for (size_t i = 0; i < BL_COUNT(table); i++)
		if (holds(message, table[i].sign))
			return table[i].class;
	return "user_exit";
}

/* torch's schema: {"message": TEXT} or {"message":{"message":TEXT,"extraInfo":{...}}} */
static bool judge_elastic(const struct verdict_evidence *evidence, struct verdict *out)
{
	struct bl_err none = { 0 };
	BL_VALUE doc = NULL;
	const char *text;

	if (!evidence->elastic ||
	    bl_json_parse(evidence->elastic, evidence->elastic_len, "error.json", &doc, &none))
		return false;
	const struct bl_value *message = bl_value_get(doc, "message");
	if (message && message->type == BL_MAP)
		message = bl_value_get(message, "message");
	text = message && message->type == BL_STRING ? message->text : "";
	struct span rest = trim((struct span){ text, strlen(text) }), line;
	if (!next_line(&rest, &line))
		return false;
	out->source = "torchelastic";
	out->class = class_of(line);
	set_message(out, line, (struct span){ 0 });
	return true;
}

static bool judge_failure_file(const struct verdict_evidence *evidence, struct verdict *out)
{
	struct span text = { evidence->failure, evidence->failure_len }, second;

	if (!text.at)
		return false;
	if (text.len > FAILURE_CHARACTERS)
		text.len = FAILURE_CHARACTERS;
	/* the training toolkit puts a whole traceback there */
	struct span exception = last_exception(text, &second);
	if (!exception.len) {
		exception = trim(text);
		second = (struct span){ 0 };
	}
	if (!exception.len)
		return false;
	out->source = "failure_file";
	out->class = class_of(exception);
	set_message(out, exception, second);
	return true;
}

static bool judge_traceback(const struct verdict_evidence *evidence, struct verdict *out)
{
	struct span tail = { evidence->tail, evidence->tail_len }, second;
	struct span exception = last_exception(tail, &second);

	if (!exception.len)
		return false;
	out->source = "traceback";
	out->class = class_of(exception);
	set_message(out, exception, second);
	return true;
}

static bool judge_cuda_oom(const struct verdict_evidence *evidence, struct verdict *out)
{
	const struct span places[] = {
		{ evidence->tail, evidence->tail_len },
		{ evidence->failure, evidence->failure_len },
		{ evidence->elastic, evidence->elastic_len },
	};

	for (size_t i = 0; i < BL_COUNT(places); i++) {
		struct span line = places[i].at ? cuda_oom_line(places[i]) : places[i];

		if (!places[i].at || !line.len)
			continue;
		out->source = "cuda_oom";
		out->class = "cuda_oom";
		/* error.json is one line of escapes: its message reads better */
		if (i == 2) {
			struct verdict elastic = *out;

			if (judge_elastic(evidence, &elastic)) {
				memcpy(out->message, elastic.message, sizeof(out->message));
				return true;
			}
		}
		set_message(out, line, (struct span){ 0 });
		return true;
	}
	return false;
}

void verdict_judge(const struct verdict_evidence *evidence, struct verdict *out)
{
	int status = evidence->status;

	*out = (struct verdict){ .class = "", .source = "" };
	if (status < 0 || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	if (judge_cuda_oom(evidence, out) || judge_elastic(evidence, out) ||
	    judge_failure_file(evidence, out) || judge_traceback(evidence, out))
		return;
	out->class = "user_exit";
	if (WIFSIGNALED(status)) {
		out->source = "signal";
		snprintf(out->message, sizeof(out->message), "the command was ended by %s",
		         bl_signal_name(WTERMSIG(status)));
	}
}

/* The last lines, whole ones where they fit. */
static struct span last_lines(const struct verdict_evidence *evidence)
{
	size_t at = evidence->tail_len, lines = 0;

	while (at && evidence->tail_len - at < TAIL_BYTES) {
		if (evidence->tail[at - 1] == '\n' && at < evidence->tail_len &&
		    ++lines == TAIL_LINES)
			break;
		at--;
	}
	return (struct span){ evidence->tail + at, evidence->tail_len - at };
}

int verdict_write(const struct verdict *verdict, const struct verdict_evidence *evidence,
                  struct bl_buf *out, struct bl_err *err)
{
	struct bl_json json = BL_JSON(out);
	struct span tail = last_lines(evidence);
	char text[TAIL_BYTES + 1];

	/* readers refuse a NUL in a text */
	for (size_t i = 0; i < tail.len; i++)
		text[i] = tail.at[i] ? tail.at[i] : ' ';
	bl_json_begin(&json, 1);
	bl_json_text(&json, "class", verdict->class);
	bl_json_text(&json, "message", verdict->message);
	bl_json_text(&json, "source", verdict->source);
	bl_json_bytes(&json, "trace_tail", text, tail.len);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
	return bl_buf_check(out, "verdict", err);
}
