/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_md.h"

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
