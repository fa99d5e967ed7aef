/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/push-image/push_show.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAW_AFTER_MS 500 /* most pushes are over by then */
#define DRAW_MS 200
#define SAY_MS 60000
#define NAMED_LAYERS_MAX 40 /* of the table */

void push_show_init(struct push_show *show)
{
	*show = (struct push_show){ .since_ms = bl_mono_ms() };
	show->said_ms = show->since_ms;
	show->animated = bl_log_format() == BL_LOG_HUMAN && isatty(STDERR_FILENO);
}

static void add_progress(const struct push_show *show, uint64_t sent, uint64_t total, int64_t now,
                         struct bl_buf *out)
{
	int64_t ms = now - show->since_ms;

	bl_buf_adds(out, "sent ");
	bl_str_add_bytes(out, sent);
	bl_buf_adds(out, " of ");
	bl_str_add_bytes(out, total);
	if (ms <= 0 || !sent || sent > total)
		return;
	bl_buf_adds(out, ", ");
	bl_str_add_bytes(out, (uint64_t)((double)sent * 1000 / (double)ms));
	bl_buf_adds(out, "/s, ");
	bl_str_add_duration(out, (int64_t)((double)(total - sent) * (double)ms / (double)sent));
	bl_buf_adds(out, " left");
}

void push_show_end(struct push_show *show)
{
	if (show->shown)
		fputs("\r\033[K", stderr);
	show->shown = false;
}

void push_show_progress(void *arg, uint64_t sent, uint64_t total)
{
	struct push_show *show = arg;
	BL_AUTO(bl_buf) line = BL_BUF(512);
	int64_t now = bl_mono_ms();

	if (show->animated ? now - show->since_ms < DRAW_AFTER_MS || now - show->drawn_ms < DRAW_MS
	                   : now - show->said_ms < SAY_MS)
		return;
	add_progress(show, sent, total, now, &line);
	if (show->animated) {
		fprintf(stderr, "\r%s\033[K", bl_buf_text(&line));
		show->shown = true;
		show->drawn_ms = now;
	} else {
		bl_log(BL_LOG_INFO, "%s", bl_buf_text(&line));
		show->said_ms = now;
	}
}

void push_show_say(void *arg, const char *text)
{
	push_show_end(arg);
	bl_log(BL_LOG_INFO, "%s", text);
}

/* --- The end ---------------------------------------------------------------------------------- */

static const char *const parts[] = {
	[BL_IMAGE_BASE] = "base",
	[BL_IMAGE_RUNNER] = "runner",
	[BL_IMAGE_CODE_PART] = "code",
	[BL_IMAGE_CONFIG] = "config",
};
static const char *const hows[] = {
	[BL_IMAGE_THERE] = "there",
	[BL_IMAGE_MOUNTED] = "mounted",
	[BL_IMAGE_SENT] = "sent",
};

static void count(const struct bl_image *image, unsigned n[3])
{
	for (size_t i = 0; i < image->n_pieces; i++)
		n[image->pieces[i].how] += image->pieces[i].part != BL_IMAGE_CONFIG;
}

void push_show_line(const struct pushed *pushed, struct bl_buf *out)
{
	unsigned n[3] = { 0 };

	count(pushed->image, n);
	bl_buf_addf(out, "%.12s %s: ", pushed->sha,
	            pushed->image->unchanged ? "was there" : "pushed");
	bl_str_add_bytes(out, pushed->sent_bytes);
	bl_buf_addf(out, " in %.2f s, %" PRIu64 " request%s", pushed->seconds, pushed->requests,
	            pushed->requests == 1 ? "" : "s");
	if (pushed->image->unchanged)
		return;
	bl_buf_addf(out, "; layers: %u sent", n[BL_IMAGE_SENT]);
	if (n[BL_IMAGE_MOUNTED])
		bl_buf_addf(out, ", %u mounted", n[BL_IMAGE_MOUNTED]);
	bl_buf_addf(out, ", %u there", n[BL_IMAGE_THERE]);
}

static void add_row(const struct bl_image_piece *piece, struct bl_buf *out)
{
	bl_buf_addf(out, "| %s | `%.19s` | ", parts[piece->part], piece->blob.digest);
	bl_str_add_bytes(out, piece->blob.size);
	bl_buf_addf(out, " | %s |\n", hows[piece->how]);
}

void push_show_table(const struct pushed *pushed, struct bl_buf *out)
{
	const struct bl_image *image = pushed->image;

	bl_buf_adds(out, "### Image ");
	bl_buf_addf(out, "%s\n\n`%s`\n\n",
	            image->unchanged ? "of this commit was there already" : "pushed", pushed->name);
	bl_buf_addf(out, "Base `%s`%s. ", pushed->base,
	            pushed->base_built ? ", built now because its inputs are new" : "");
	bl_str_add_bytes(out, pushed->sent_bytes);
	bl_buf_addf(out, " sent in %.2f s by %" PRIu64 " requests.\n", pushed->seconds,
	            pushed->requests);
	if (!image->n_pieces)
		return;
	bl_buf_adds(out, "\n| layer | digest | size | |\n|---|---|---:|---|\n");
	for (size_t i = 0; i < image->n_pieces; i++)
		if (i + NAMED_LAYERS_MAX >= image->n_pieces)
			add_row(&image->pieces[i], out);
	if (image->n_pieces > NAMED_LAYERS_MAX)
		bl_buf_addf(out, "\n%zu more layers of the base are not shown.\n",
		            image->n_pieces - NAMED_LAYERS_MAX);
}

void push_show_json(const struct pushed *pushed, struct bl_buf *out)
{
	const struct bl_image *image = pushed->image;
	struct bl_json json = { .buf = out, .indent = 2 };

	bl_json_begin(&json, 1);
	bl_json_text(&json, "image", pushed->name);
	bl_json_text(&json, "digest", image->digest);
	bl_json_text(&json, "commit", pushed->sha);
	bl_json_text(&json, "base", pushed->base);
	bl_json_text(&json, "base_digest", image->base_digest);
	bl_json_bool(&json, "base_built", pushed->base_built);
	bl_json_bool(&json, "unchanged", image->unchanged);
	bl_json_int(&json, "pushed_bytes", (int64_t)pushed->sent_bytes);
	bl_json_int(&json, "requests", (int64_t)pushed->requests);
	bl_json_real(&json, "seconds", pushed->seconds);
	bl_json_list(&json, "layers");
	for (size_t i = 0; i < image->n_pieces; i++) {
		const struct bl_image_piece *piece = &image->pieces[i];

		if (piece->part == BL_IMAGE_CONFIG)
			continue;
		bl_json_map(&json, NULL);
		bl_json_text(&json, "part", parts[piece->part]);
		bl_json_text(&json, "digest", piece->blob.digest);
		bl_json_int(&json, "size", (int64_t)piece->blob.size);
		bl_json_text(&json, "how", hows[piece->how]);
		bl_json_end_map(&json);
	}
	bl_json_end_list(&json);
	bl_json_end_map(&json);
}
