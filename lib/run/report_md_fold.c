/* SPDX-License-Identifier: Apache-2.0 */
/* What both comments are made of: the report, and the one before it (comment.c). */
#include "run/report_md.h"
#include "run/report_text.h"

#include <math.h>
#include <string.h>

#define NEXT_BYTES ((size_t)768) /* the longest that a report has */

struct bl_md_part bl_md_part_of(size_t room, struct bl_buf *out)
{
	return (struct bl_md_part){ .row = BL_BUF(64u << 10), .out = out, .room = room };
}

void bl_md_keep_row(struct bl_md_part *part)
{
	if (part->row.failed == BL_ENOMEM)
		part->out->failed = BL_ENOMEM;
	if (part->row.failed || part->row.len > part->room) {
		part->left_out++;
		part->room = 0; /* rows are in order of worth: none after a gap */
	} else {
		bl_buf_add(part->out, bl_buf_text(&part->row), part->row.len);
		part->room -= part->row.len;
	}
	bl_buf_reset(&part->row);
}

void bl_md_end_part(struct bl_md_part *part, const char *what)
{
	if (part->left_out)
		bl_buf_addf(part->out, "\n… and %zu more %s\n", part->left_out, what);
	bl_buf_done(&part->row);
}

void bl_md_open_fold(struct bl_buf *out)
{
	bl_buf_adds(out, "<details><summary>");
}

void bl_md_begin_fold(struct bl_buf *out)
{
	bl_buf_adds(out, "</summary>\n\n");
}

void bl_md_end_fold(struct bl_buf *out)
{
	bl_buf_adds(out, "\n</details>\n");
}

/* --- Lines ------------------------------------------------------------------------------------ */

void bl_md_bullet(const char *name, const char *value, struct bl_buf *out)
{
	if (!value[0])
		return;
	bl_buf_addf(out, "- %s: ", name);
	bl_text_code(out, value, 300);
	bl_buf_addc(out, '\n');
}

static void add_part(void (*write)(struct bl_buf *, const char *, size_t), const char *text,
                     size_t len, struct bl_buf *out)
{
	BL_AUTO(bl_buf) part = BL_BUF(NEXT_BYTES);

	bl_buf_add(&part, text, len);
	if (part.failed)
		out->failed = part.failed;
	write(out, bl_buf_text(&part), len);
}

/* What stands between backticks becomes code, as it is meant in messages of ours. */
static void add_marked(const char *text, struct bl_buf *out)
{
	while (strlen(text) < NEXT_BYTES && !strstr(text, "``")) {
		size_t len = strcspn(text, "`");
		const char *end = text[len] ? strchr(text + len + 1, '`') : NULL;

		if (!end)
			break;
		add_part(bl_text_md, text, len, out);
		add_part(bl_text_code, text + len + 1, (size_t)(end - text) - len - 1, out);
		text = end + 1;
	}
	bl_text_md(out, text, NEXT_BYTES);
}

unsigned bl_md_next(const char *text, struct bl_buf *out)
{
	if (!text[0])
		return 0;
	bl_buf_adds(out, "**Next:** ");
	add_marked(text, out);
	bl_buf_adds(out, "\n\n");
	return 2;
}

void bl_md_usd(double usd, struct bl_buf *out)
{
	if (isnan(usd))
		bl_buf_adds(out, "–");
	else
		bl_buf_addf(out, usd > 0 && usd < 0.01 ? "&#36;%.4f" : "&#36;%.2f", usd);
}

void bl_md_command(const char *verb, const char *run, const char *more, const char *store,
                   struct bl_buf *out)
{
	bl_buf_addf(out, "branchline %s %s%s", verb, run, more);
	if (bl_text_is_word(store) && strstr(store, "://"))
		bl_buf_addf(out, " --store %s", store);
	bl_buf_addc(out, '\n');
}

/* --- Whole folds ------------------------------------------------------------------------------ */

unsigned bl_md_folded_chart(const struct bl_report *report, size_t room, struct bl_buf *out)
{
	BL_AUTO(bl_buf) chart = BL_BUF(room);
	unsigned lines = bl_md_chart(report, &chart);

	if (chart.failed)
		out->failed = chart.failed;
	if (!lines)
		return 0;
	bl_md_open_fold(out);
	bl_buf_adds(out, "Curve of ");
	bl_text_md(out, report->primary, 60);
	bl_md_begin_fold(out);
	bl_buf_add(out, bl_buf_text(&chart), chart.len);
	bl_md_end_fold(out);
	return 1;
}

unsigned bl_md_log_text(const char *log, size_t room, struct bl_buf *out)
{
	BL_AUTO(bl_buf) block = BL_BUF(room);
	const char *from;
	size_t lines = 0;

	if (!log || !*log)
		return 0;
	from = bl_report_log_tail(log, room > 64 ? room - 64 : room, &lines);
	bl_text_fence(&block, from);
	if (block.failed == BL_ELIMIT) { /* bad bytes grow to three */
		bl_buf_reset(&block);
		from = bl_report_log_tail(log, room / 3 - 8, &lines);
		bl_text_fence(&block, from);
	}
	if (block.failed)
		out->failed = block.failed;
	bl_md_open_fold(out);
	bl_buf_addf(out, "Last %zu line%s of the log", lines, lines == 1 ? "" : "s");
	bl_md_begin_fold(out);
	bl_buf_add(out, bl_buf_text(&block), block.len);
	bl_md_end_fold(out);
	return 1;
}
