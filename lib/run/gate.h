/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_GATE_H
#define BL_RUN_GATE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * metrics.fail_if: conditions that fail a run that ended well.
 *
 *   CONDITION  METRIC OP LIMIT                    eval_loss > baseline * 1.02
 *   METRIC     1 to 128 bytes without white space, '<', '>', '=' and "!="
 *   OP         <  <=  >  >=  ==  !=
 *   LIMIT      NUMBER | SIDE | SIDE * NUMBER | SIDE + NUMBER | SIDE - NUMBER
 *   SIDE       baseline | previous
 *   NUMBER     decimal, finite: 2.5  -1  .5  1e-3
 */
#define BL_GATE_MAX 512u /* bytes of a condition */

enum bl_gate_op {
	BL_GATE_LESS,
	BL_GATE_AT_MOST,
	BL_GATE_MORE,
	BL_GATE_AT_LEAST,
	BL_GATE_EQUAL,
	BL_GATE_OTHER,
};
enum bl_gate_side { BL_GATE_NUMBER, BL_GATE_BASELINE, BL_GATE_PREVIOUS };

struct bl_gate {
	char metric[129];
	enum bl_gate_op op;
	enum bl_gate_side side;
	char by; /* '*', '+', '-'; 0: the side's value, or the number, alone */
	double number;
};

/* BL_EINPUT: "at character N: expected X, found 'Y'". Pure. */
BL_MUST int bl_gate_parse(const char *text, struct bl_gate *out, struct bl_err *err);

/* What is known of the metric; NaN: not known. has_now: the run has values, maybe NaN. */
struct bl_gate_input {
	double now, baseline, previous;
	bool has_now;
};
enum bl_gate_state {
	BL_GATE_PASSED,       /* the condition does not hold */
	BL_GATE_HOLDS,        /* it does: the run fails */
	BL_GATE_NO_REFERENCE, /* nothing to compare with: does not hold, to be said */
	BL_GATE_NO_VALUE,     /* the run never reported the metric: it fails */
	BL_GATE_NOT_A_NUMBER, /* NaN or infinite: it fails, whatever the condition */
};
struct bl_gate_result {
	enum bl_gate_state state;
	double value, limit, reference; /* NaN where there is none */
};
/* Total and pure. */
struct bl_gate_result bl_gate_judge(const struct bl_gate *gate, const struct bl_gate_input *input);
bool bl_gate_fails(enum bl_gate_state state);

/* "eval_loss > baseline * 1.02", as it can be parsed again. */
void bl_gate_text(const struct bl_gate *gate, struct bl_buf *out);
/*
 * The result with both values: "eval_loss 1.81 > 1.7694 (baseline 1.7347 * 1.02)", "eval_loss 1.7,
 * not > 2.5", "eval_loss 1.7, no baseline to compare it with". The metric's name is as it came:
 * the writer that knows the medium escapes it.
 */
void bl_gate_say(const struct bl_gate *gate, const struct bl_gate_result *result,
                 struct bl_buf *out);

#endif
