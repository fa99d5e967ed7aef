/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/channels.h"
#include "actions/cli/local.h"
#include "base/log.h"

#include <string.h>

static int check_channel(struct local *local, size_t i, struct bl_err *err)
{
	struct bl_spec_channel *spec = &local->channels[local->n_channels];
	char *uri = local->channel_uris[local->n_channels];
	char *digest = local->channel_digests[local->n_channels];
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(local->channel_uris[0]) - 1);
	BL_AUTO(bl_buf) line = BL_BUF(256);
	struct bl_data_channel channel;
	struct bl_data_found found;

	if (channel_check(&local->config, local->config_root, i, &channel, &found, err) ||
	    bl_data_uri(&channel, &text, err) || bl_buf_check(&text, "its path", err))
		return -1;
	memcpy(uri, bl_buf_text(&text), text.len + 1);
	memcpy(digest, found.digest, sizeof(found.digest));
	*spec = (struct bl_spec_channel){ .name = channel.name,
		                          .uri = uri,
		                          .digest = digest,
		                          .files = found.files,
		                          .bytes = found.bytes,
		                          .records = found.records };
	local->n_channels++;
	channel_describe(channel.name, &found, &line);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&line));
	return 0;
}

int local_check_data(struct local *local, struct bl_err *err)
{
	size_t n = bl_config_channels(&local->config);

	if (n > LOCAL_CHANNELS_MAX)
		return bl_fail(err, BL_EINPUT, "%zu data channels: at most %d are possible here", n,
		               LOCAL_CHANNELS_MAX);
	local->n_channels = 0;
	for (size_t i = 0; i < n; i++)
		if (check_channel(local, i, err))
			return -1;
	return bl_spec_data_digest(local->channels, local->n_channels, local->data_digest, err);
}
