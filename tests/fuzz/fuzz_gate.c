/* SPDX-License-Identifier: Apache-2.0 */
/* A condition that is taken can be written, read again and judged; a refused one says where. */
#include "run/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void judge(const struct bl_gate *gate)
{
	static const double values[] = { -INFINITY, -1e300, -1, 0, 1e-300, 2.5, 1e308, INFINITY };
	BL_AUTO(bl_buf) text = BL_BUF(1 << 16);

	for (size_t i = 0; i <= BL_COUNT(values); i++) {
		double value = i < BL_COUNT(values) ? values[i] : (double)NAN;
		struct bl_gate_input input = { value, values[i / 2], value, true };
		struct bl_gate_result result = bl_gate_judge(gate, &input);

		must(isfinite(value) || bl_gate_fails(result.state));
		bl_gate_say(gate, &result, &text);
	}
	must(!text.failed && strstr(text.data, gate->metric));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_AUTO(bl_buf) written = BL_BUF(1 << 12);
	char *text = calloc(1, size + 1);
	struct bl_gate gate, again;
	struct bl_err err = { 0 };

	must(text);
	memcpy(text, data, size);
	if (!bl_gate_parse(text, &gate, &err)) {
		bl_gate_text(&gate, &written);
		must(!bl_gate_parse(bl_buf_text(&written), &again, &err));
		must(!strcmp(again.metric, gate.metric) && again.op == gate.op);
		must(again.side == gate.side && again.by == gate.by);
		must(again.number == gate.number);
		judge(&gate);
	} else {
		must(err.code == BL_EINPUT && err.text[0]);
	}
	free(text);
	return 0;
}
