/* SPDX-License-Identifier: Apache-2.0 */
/* The data of each channel: there, whole, counted, pinned. */
#include "actions/channels.h"
#include "actions/launch/launching.h"

#include <string.h>

/* What this machine can read by itself. */
static int check_here(struct launching *launching, size_t i, struct bl_data_found *found,
                      struct bl_err *err)
{
	const size_t at = launching->n_channels;
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(launching->channel_uris[0]) - 1);
	struct bl_data_channel channel;

	if (channel_check(&launching->config, launching->cloud.root, i, &channel, found, err) ||
	    bl_data_uri(&channel, &text, err) || bl_buf_check(&text, "its path", err))
		return -1;
	memcpy(launching->channel_uris[at], bl_buf_text(&text), text.len + 1);
	return 0;
}

static int out_of_reach(const struct bl_channel *channel, struct bl_err *err)
{
	const char *uri = channel->uri ? channel->uri : "a path of this machine";

	bl_fail(err, BL_EDATA,
	        "data channel '%s': %.200s is not in reach of a machine in the cloud",
	        channel->name, uri);
	return bl_next(err,
	               "copy it once: `branchline sync PATH s3://BUCKET/%.40s`, and set its uri",
	               channel->name);
}

static int check_channel(struct launching *launching, size_t i, struct bl_buf *said,
                         struct bl_err *err)
{
	const size_t at = launching->n_channels;
	struct bl_data_found found = { 0 };
	struct bl_channel channel;

	bl_config_channel(&launching->config, i, &channel);
	if (!launching->is_local)
		return out_of_reach(&channel, err);
	if (check_here(launching, i, &found, err))
		return -1;
	memcpy(launching->channel_digests[at], found.digest, sizeof(found.digest));
	launching->channels[at] =
		(struct bl_spec_channel){ .name = channel.name,
		                          .uri = launching->channel_uris[at],
		                          .digest = launching->channel_digests[at],
		                          .files = found.files,
		                          .bytes = found.bytes,
		                          .records = found.records };
	launching->n_channels++;
	if (at)
		bl_buf_adds(said, "; ");
	channel_describe(channel.name, &found, said);
	return 0;
}

int phase_data(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	size_t n = bl_config_channels(&launching->config);

	if (n > LAUNCH_CHANNELS_MAX)
		return bl_fail(err, BL_EINPUT, "%zu data channels: at most %d are possible", n,
		               LAUNCH_CHANNELS_MAX);
	for (size_t i = 0; i < n; i++)
		if (check_channel(launching, i, said, err))
			return -1;
	if (!n)
		bl_buf_adds(said, "no channels");
	return bl_spec_data_digest(launching->channels, launching->n_channels,
	                           launching->data_digest, err);
}
