/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "run/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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

static int channel_of(const struct local *local, const struct bl_channel *from,
                      struct bl_data_channel *out, struct bl_err *err)
{
	*out = (struct bl_data_channel){
		.name = from->name,
		.uri = from->local ? from->local : from->uri,
		.base = local->config_root,
		.version = from->version,
		.include = from->include,
	};
	if (!out->uri)
		return bl_fail(err, BL_EINPUT, "channel %s has neither uri nor local", from->name);
	if (bl_data_format_parse(from->format, &out->format, err) ||
	    bl_data_depth_parse(bl_config_text(&local->config, "data_check"), &out->depth, err))
		return -1;
	return 0;
}

static void say(const char *name, const struct bl_data_found *found)
{
	BL_AUTO(bl_buf) text = BL_BUF(256);

	bl_buf_addf(&text, "data %s: ", name);
	if (found->records)
		bl_buf_addf(&text, "%" PRIu64 " records, ", found->records);
	bl_buf_addf(&text, "%zu %s, ", found->files, found->files == 1 ? "file" : "files");
	bl_str_add_bytes(&text, found->bytes);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
}

static int check_channel(struct local *local, const struct bl_channel *from, struct bl_err *err)
{
	struct bl_spec_channel *spec = &local->channels[local->n_channels];
	char *uri = local->channel_uris[local->n_channels];
	char *digest = local->channel_digests[local->n_channels];
	struct showing showing = { .channel = from->name, .began_ms = bl_mono_ms() };
	bool terminal = isatty(STDERR_FILENO) && bl_log_format() == BL_LOG_HUMAN;
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(local->channel_uris[0]) - 1);
	struct bl_data_channel channel;
	struct bl_data_found found;
	int rc;

	if (channel_of(local, from, &channel, err))
		return -1;
	rc = bl_data_check(&channel, terminal ? show : NULL, &showing, &found, err);
	if (showing.shown)
		fputs("\r\033[K", stderr);
	if (rc || bl_data_uri(&channel, &text, err) || bl_buf_check(&text, "its path", err))
		return -1;
	memcpy(uri, bl_buf_text(&text), text.len + 1);
	memcpy(digest, found.digest, sizeof(found.digest));
	*spec = (struct bl_spec_channel){ .name = from->name,
		                          .uri = uri,
		                          .digest = digest,
		                          .files = found.files,
		                          .bytes = found.bytes,
		                          .records = found.records };
	local->n_channels++;
	say(from->name, &found);
	return 0;
}

int local_check_data(struct local *local, struct bl_err *err)
{
	size_t n = bl_config_channels(&local->config);

	if (n > LOCAL_CHANNELS_MAX)
		return bl_fail(err, BL_EINPUT, "%zu data channels: at most %d are possible here", n,
		               LOCAL_CHANNELS_MAX);
	local->n_channels = 0;
	for (size_t i = 0; i < n; i++) {
		struct bl_channel channel;

		bl_config_channel(&local->config, i, &channel);
		if (check_channel(local, &channel, err))
			return bl_wrap(err, "data %s", channel.name);
	}
	return bl_spec_data_digest(local->channels, local->n_channels, local->data_digest, err);
}
