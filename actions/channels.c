/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/channels.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define SHOW_AFTER_MS 300 /* what is over sooner needs no progress */
#define REDRAW_MS 100

struct showing {
	const char *channel;
	int64_t began_ms, drawn_ms;
	bool shown;
};

static void show(void *arg, uint64_t done, uint64_t total)
{
	struct showing *showing = arg;
	int64_t now = bl_mono_ms(), spent = now - showing->began_ms;
	BL_AUTO(bl_buf) rate = BL_BUF(64);
	BL_AUTO(bl_buf) eta = BL_BUF(64);

	if (spent < SHOW_AFTER_MS || now - showing->drawn_ms < REDRAW_MS || !done || !total)
		return;
	showing->drawn_ms = now;
	showing->shown = true;
	bl_str_add_bytes(&rate, done * 1000 / (uint64_t)spent);
	bl_str_add_duration(&eta, (int64_t)((double)(total - done) / (double)done * (double)spent));
	fprintf(stderr, "\r\033[Kchecking %s  %3.0f %%  %s/s  ETA %s", showing->channel,
	        (double)done * 100 / (double)total, bl_buf_text(&rate), bl_buf_text(&eta));
}

static int resolve(const struct bl_config *config, const char *root, size_t i,
                   struct bl_data_channel *out, struct bl_err *err)
{
	struct bl_channel from;

	bl_config_channel(config, i, &from);
	*out = (struct bl_data_channel){
		.name = from.name,
		.uri = from.local ? from.local : from.uri,
		.base = root,
		.version = from.version,
		.include = from.include,
	};
	if (!out->uri)
		return bl_fail(err, BL_EINPUT, "data channel '%s' has neither uri nor local",
		               from.name);
	if (bl_data_format_parse(from.format, &out->format, err) ||
	    bl_data_depth_parse(bl_config_text(config, "data_check"), &out->depth, err))
		return bl_wrap(err, "data channel '%s'", from.name);
	return 0;
}

int channel_check(const struct bl_config *config, const char *root, size_t i,
                  struct bl_data_channel *channel, struct bl_data_found *found, struct bl_err *err)
{
	bool terminal = isatty(STDERR_FILENO) && bl_log_format() == BL_LOG_HUMAN;
	struct showing showing = { .began_ms = bl_mono_ms() };
	int rc;

	if (resolve(config, root, i, channel, err))
		return -1;
	showing.channel = channel->name;
	rc = bl_data_check(channel, terminal ? show : NULL, &showing, found, err);
	if (showing.shown)
		fputs("\r\033[K", stderr);
	return rc;
}

void channel_describe(const char *name, const struct bl_data_found *found, struct bl_buf *out)
{
	bl_buf_addf(out, "data %s: ", name);
	if (found->records)
		bl_buf_addf(out, "%" PRIu64 " %s, ", found->records,
		            found->records == 1 ? "record" : "records");
	bl_buf_addf(out, "%zu %s, ", found->files, found->files == 1 ? "file" : "files");
	bl_str_add_bytes(out, found->bytes);
}
