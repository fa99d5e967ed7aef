/* SPDX-License-Identifier: Apache-2.0 */
#include "run/gate.h"

#include "base/str.h"
#include "run/report_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *sign;
	enum bl_gate_op op;
} ops[] = {
	/* the longer ones first */
	{ "<=", BL_GATE_AT_MOST }, { ">=", BL_GATE_AT_LEAST }, { "==", BL_GATE_EQUAL },
	{ "!=", BL_GATE_OTHER },   { "<", BL_GATE_LESS },      { ">", BL_GATE_MORE },
};

static const char *const sides[] = {
	[BL_GATE_BASELINE] = "baseline", [BL_GATE_PREVIOUS] = "previous"
};

struct reading {
	const char *text, *at;
};

static void skip_space(struct reading *from)
{
	from->at += strspn(from->at, " \t");
}

static int expected(const struct reading *from, const char *what, struct bl_err *err)
{
	size_t shown = bl_utf8_valid(from->at, strnlen(from->at, 40));

	if (!*from->at)
		return bl_fail(err, BL_EINPUT, "at character %zu: expected %s, found the end",
		               (size_t)(from->at - from->text) + 1, what);
	return bl_fail(err, BL_EINPUT, "at character %zu: expected %s, found '%.*s'",
	               (size_t)(from->at - from->text) + 1, what, (int)shown, from->at);
}

static int read_metric(struct reading *from, char metric[129], struct bl_err *err)
{
	const char *start = from->at;
	size_t len;

	while ((unsigned char)*from->at > ' ' && *from->at != 0x7f && !strchr("<>=", *from->at) &&
	       strncmp(from->at, "!=", 2) != 0)
		from->at++;
	len = (size_t)(from->at - start);
	if (!len)
		return expected(from, "the name of a metric", err);
	from->at = start;
	if (len > 128)
		return expected(from, "a name of at most 128 bytes", err);
	if (bl_utf8_valid(start, len) != len)
		return expected(from, "a name in UTF-8", err);
	memcpy(metric, start, len);
	metric[len] = '\0';
	from->at += len;
	return 0;
}

static int read_op(struct reading *from, enum bl_gate_op *op, struct bl_err *err)
{
	for (size_t i = 0; i < BL_COUNT(ops); i++) {
		size_t len = strlen(ops[i].sign);

		if (strncmp(from->at, ops[i].sign, len) != 0)
			continue;
		from->at += len;
		*op = ops[i].op;
		return 0;
	}
	return expected(from, "one of < <= > >= == !=", err);
}

/* Decimal only: strtod would take hexadecimal digits, "inf" and "nan", too. */
static size_t number_len(const char *text)
{
	size_t sign = strspn(text, "+-") == 1, whole = strspn(text + sign, "0123456789");
	size_t len = sign + whole, fraction = 0, exponent;

	if (text[len] == '.') {
		fraction = strspn(text + len + 1, "0123456789");
		len += 1 + fraction;
	}
	if (!whole && !fraction)
		return 0;
	if (text[len] != 'e' && text[len] != 'E')
		return len;
	exponent = len + 1 + (strspn(text + len + 1, "+-") == 1);
	return exponent + strspn(text + exponent, "0123456789");
}

static int read_number(struct reading *from, const char *what, double *out, struct bl_err *err)
{
	size_t len = number_len(from->at);
	char *end = NULL;
	double number = len ? strtod(from->at, &end) : NAN;

	if (!len || end != from->at + len || !isfinite(number))
		return expected(from, what, err);
	from->at = end;
	*out = number;
	return 0;
}

static int read_limit(struct reading *from, struct bl_gate *gate, struct bl_err *err)
{
	gate->side = BL_GATE_NUMBER;
	for (enum bl_gate_side side = BL_GATE_BASELINE; side <= BL_GATE_PREVIOUS; side++)
		if (bl_str_starts(from->at, sides[side]))
			gate->side = side;
	if (gate->side == BL_GATE_NUMBER)
		return read_number(from, "a number, baseline or previous", &gate->number, err);
	from->at += strlen(sides[gate->side]);
	skip_space(from);
	if (!*from->at)
		return 0;
	if (!strchr("*+-", *from->at))
		return expected(from, "*, +, - or the end", err);
	gate->by = *from->at++;
	skip_space(from);
	return read_number(from, "a number", &gate->number, err);
}

int bl_gate_parse(const char *text, struct bl_gate *out, struct bl_err *err)
{
	struct reading from = { .text = text, .at = text };
	struct bl_gate gate = { 0 };

	if (strnlen(text, BL_GATE_MAX + 1) > BL_GATE_MAX)
		return bl_fail(err, BL_EINPUT, "a condition has at most %u bytes", BL_GATE_MAX);
	skip_space(&from);
	if (read_metric(&from, gate.metric, err))
		return -1;
	skip_space(&from);
	if (read_op(&from, &gate.op, err))
		return -1;
	skip_space(&from);
	if (read_limit(&from, &gate, err))
		return -1;
	skip_space(&from);
	if (*from.at)
		return expected(&from, "the end", err);
	*out = gate;
	return 0;
}

static bool holds(enum bl_gate_op op, double value, double limit)
{
	switch (op) {
	case BL_GATE_LESS:
		return value < limit;
	case BL_GATE_AT_MOST:
		return value <= limit;
	case BL_GATE_MORE:
		return value > limit;
	case BL_GATE_AT_LEAST:
		return value >= limit;
	case BL_GATE_EQUAL:
		return value == limit;
	case BL_GATE_OTHER:
		break;
	}
	return value != limit;
}

static double limit_of(const struct bl_gate *gate, double reference)
{
	switch (gate->by) {
	case '*':
		return reference * gate->number;
	case '+':
		return reference + gate->number;
	case '-':
		return reference - gate->number;
	default:
		return gate->side == BL_GATE_NUMBER ? gate->number : reference;
	}
}

struct bl_gate_result bl_gate_judge(const struct bl_gate *gate, const struct bl_gate_input *input)
{
	const double references[] = { [BL_GATE_NUMBER] = (double)NAN,
		                      [BL_GATE_BASELINE] = input->baseline,
		                      [BL_GATE_PREVIOUS] = input->previous };
	struct bl_gate_result out = { .value = input->has_now ? input->now : (double)NAN,
		                      .reference = references[gate->side] };

	out.limit = limit_of(gate, out.reference);
	if (!input->has_now)
		out.state = BL_GATE_NO_VALUE;
	else if (!isfinite(input->now))
		out.state = BL_GATE_NOT_A_NUMBER;
	else if (!isfinite(out.limit))
		out.state = BL_GATE_NO_REFERENCE;
	else
		out.state = holds(gate->op, out.value, out.limit) ? BL_GATE_HOLDS : BL_GATE_PASSED;
	return out;
}

bool bl_gate_fails(enum bl_gate_state state)
{
	return state != BL_GATE_PASSED && state != BL_GATE_NO_REFERENCE;
}

static const char *sign_of(enum bl_gate_op op)
{
	for (size_t i = 0; i < BL_COUNT(ops); i++)
		if (ops[i].op == op)
			return ops[i].sign;
	return "";
}

/* The shortest decimal that is the same number. */
static void add_exact(double number, struct bl_buf *out)
{
	char text[40];

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	bl_buf_adds(out, text);
}

static void add_limit(const struct bl_gate *gate, struct bl_buf *out)
{
	if (gate->side != BL_GATE_NUMBER)
		bl_buf_adds(out, sides[gate->side]);
	if (gate->by)
		bl_buf_addf(out, " %c ", gate->by);
	if (gate->by || gate->side == BL_GATE_NUMBER)
		add_exact(gate->number, out);
}

void bl_gate_text(const struct bl_gate *gate, struct bl_buf *out)
{
	bl_buf_addf(out, "%s %s ", gate->metric, sign_of(gate->op));
	add_limit(gate, out);
}

/* " > 1.7694 (baseline 1.7347 * 1.02)": rounded, unless that makes equals of what is not. */
static void add_comparison(const struct bl_gate *gate, const struct bl_gate_result *result,
                           struct bl_buf *out)
{
	struct bl_number value = bl_number_text(result->value),
			 limit = bl_number_text(result->limit);
	bool alike = !strcmp(value.text, limit.text) && result->value != result->limit;

	bl_buf_addf(out, "%s ", gate->metric);
	if (alike)
		add_exact(result->value, out);
	else
		bl_buf_adds(out, value.text);
	bl_buf_addf(out, "%s %s ", result->state == BL_GATE_HOLDS ? "" : ", not",
	            sign_of(gate->op));
	if (alike)
		add_exact(result->limit, out);
	else
		bl_buf_adds(out, limit.text);
	if (gate->side == BL_GATE_NUMBER)
		return;
	bl_buf_addf(out, " (%s", sides[gate->side]);
	if (gate->by) {
		bl_buf_addf(out, " %s %c ", bl_number_text(result->reference).text, gate->by);
		add_exact(gate->number, out);
	}
	bl_buf_addc(out, ')');
}

void bl_gate_say(const struct bl_gate *gate, const struct bl_gate_result *result,
                 struct bl_buf *out)
{
	switch (result->state) {
	case BL_GATE_NO_VALUE:
		bl_buf_addf(out, "%s was never reported", gate->metric);
		break;
	case BL_GATE_NOT_A_NUMBER:
		bl_buf_addf(out, "%s is %s", gate->metric, bl_number_text(result->value).text);
		break;
	case BL_GATE_NO_REFERENCE:
		bl_buf_addf(out, "%s %s, no %s to compare it with", gate->metric,
		            bl_number_text(result->value).text,
		            gate->side == BL_GATE_PREVIOUS ? "previous run" : "baseline");
		break;
	case BL_GATE_PASSED:
	case BL_GATE_HOLDS:
		add_comparison(gate, result, out);
		break;
	}
}
