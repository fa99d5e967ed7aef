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

/* What lies in a bucket, or is of another run. */
static int check_there(struct launching *launching, const struct bl_channel *from,
                       struct bl_data_found *found, struct bl_data_place *place, struct bl_err *err)
{
	const size_t at = launching->n_channels;
	struct bl_data_channel channel = {
		.name = from->name,
		.uri = from->uri,
		.version = from->version,
		.include = from->include,
	};

	if (bl_data_format_parse(from->format, &channel.format, err) ||
	    bl_data_depth_parse(bl_config_text(&launching->config, "data_check"), &channel.depth,
	                        err) ||
	    bl_data_s3_check(launching->cloud.aws, launching->cloud.store, &channel, NULL, NULL,
	                     found, place, err))
		return bl_wrap(err, "data channel '%s'", from->name);
	memcpy(launching->channel_uris[at], place->uri, sizeof(place->uri));
	return 0;
}

static int check_channel(struct launching *launching, size_t i, struct bl_buf *said,
                         struct bl_err *err)
{
	const size_t at = launching->n_channels;
	struct bl_data_found found = { 0 };
	struct bl_data_place place = { 0 };
	struct bl_channel channel;
	bool is_remote;

	bl_config_channel(&launching->config, i, &channel);
	is_remote = channel.uri && bl_data_is_remote(channel.uri);
	if (!launching->is_local && !is_remote)
		return out_of_reach(&channel, err);
	if (!launching->is_local ? check_there(launching, &channel, &found, &place, err)
	                         : check_here(launching, i, &found, err))
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
	if (place.region[0])
		bl_buf_addf(said, " in %s", place.region);
	if (place.storage_class[0] && strcmp(place.storage_class, "STANDARD") != 0)
		bl_buf_addf(said, " (%s)", place.storage_class);
	if (place.other_region)
		bl_buf_addf(&launching->notes,
		            "data %s is in %s, not in %s: reading it costs money and time\n",
		            channel.name, place.region, bl_aws_region(launching->cloud.aws));
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
