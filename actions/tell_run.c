/* SPDX-License-Identifier: Apache-2.0 */
/* What launch learnt, for the steps after it. */
#include "actions/kept.h"
#include "actions/tell.h"
#include "codec/json.h"

static const struct kept_text texts[] = {
	KEPT_TEXT(struct told_run, run),
	KEPT_TEXT(struct told_run, store),
	KEPT_TEXT(struct told_run, place),
	KEPT_TEXT(struct told_run, job),
};

int tell_run_write(const struct told_run *run, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(KEPT_MAX);
	struct bl_json json = BL_JSON(&text);

	bl_json_begin(&json, 1);
	for (size_t i = 0; i < BL_COUNT(texts); i++)
		bl_json_text(&json, texts[i].member, (const char *)run + texts[i].offset);
	bl_json_end_map(&json);
	return kept_write(KEPT_RUN, &text, err);
}

int tell_run_read(struct told_run *run, struct bl_err *err)
{
	struct told_run told = { .run = "" };
	BL_VALUE doc = NULL;

	if (kept_read(KEPT_RUN, &doc, err) ||
	    kept_texts(doc, KEPT_RUN, texts, BL_COUNT(texts), &told, err))
		return -1;
	if (!bl_run_id_valid(told.run))
		return bl_fail(err, BL_ECORRUPT, "%s: run '%s'", KEPT_RUN, told.run);
	*run = told;
	return 0;
}
