/* SPDX-License-Identifier: Apache-2.0 */
#include "run/spec.h"

#include "base/clock.h"
#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

static void text_or_null(struct bl_json *json, const char *key, const char *text)
{
	bl_json_text(json, key, text && *text ? text : NULL);
}

static void write_git(struct bl_json *json, const struct bl_spec *spec)
{
	const struct bl_git *git = spec->git;

	bl_json_map(json, "git");
	bl_json_text(json, "head", git->sha);
	text_or_null(json, "base", spec->cloud ? spec->cloud->base_sha : NULL);
	bl_json_text(json, "tree", git->tree);
	bl_json_text(json, "branch", git->branch);
	bl_json_text(json, "subject", git->subject);
	bl_json_bool(json, "dirty", git->dirty);
	bl_json_text(json, "patch_key", spec->patch_key);
	bl_json_text(json, "patch_sha256", spec->patch_sha256);
	bl_json_end_map(json);
}

static void write_data(struct bl_json *json, const struct bl_spec *spec)
{
	bl_json_map(json, "data");
	bl_json_text(json, "digest", spec->data_digest);
	bl_json_map(json, "channels");
	for (size_t i = 0; i < spec->n_channels; i++) {
		const struct bl_spec_channel *channel = &spec->channels[i];

		bl_json_map(json, channel->name);
		bl_json_text(json, "uri", channel->uri);
		bl_json_text(json, "digest", channel->digest);
		bl_json_int(json, "files", (int64_t)channel->files);
		bl_json_int(json, "bytes", (int64_t)channel->bytes);
		bl_json_int(json, "records", (int64_t)channel->records);
		bl_json_end_map(json);
	}
	bl_json_end_map(json);
	bl_json_end_map(json);
}

static void write_limits(struct bl_json *json, const struct bl_config *config)
{
	bl_json_map(json, "limits");
	bl_json_int(json, "max_runtime_ms", bl_config_duration_ms(config, "max_runtime"));
	bl_json_real(json, "max_cost_usd", bl_config_real(config, "max_cost_usd"));
	bl_json_int(json, "retries", bl_config_int(config, "retries"));
	bl_json_int(json, "grace_ms", bl_config_duration_ms(config, "grace"));
	bl_json_int(json, "flush_reserve_ms", bl_config_duration_ms(config, "flush_reserve"));
	bl_json_int(json, "max_log_bytes", (int64_t)bl_config_bytes(config, "max_log_bytes"));
	bl_json_end_map(json);
}

static void write_parents(struct bl_json *json, const struct bl_spec *spec)
{
	bl_json_list(json, "parents");
	for (size_t i = 0; i < spec->n_parents; i++) {
		bl_json_map(json, NULL);
		bl_json_text(json, "run", spec->parents[i].run);
		bl_json_text(json, "manifest", spec->parents[i].manifest);
		bl_json_text(json, "crc", spec->parents[i].crc);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static void write_place(struct bl_json *json, const struct bl_spec *spec)
{
	bl_json_map(json, "versions");
	bl_json_text(json, "branchline", BL_VERSION);
	if (spec->cloud)
		text_or_null(json, "host_sha256", spec->cloud->host_sha256);
	bl_json_end_map(json);
	bl_json_map(json, "place");
	bl_json_text(json, "engine", spec->engine);
	bl_json_text(json, "root", spec->root);
	bl_json_text(json, "cwd", spec->cwd);
	bl_json_end_map(json);
}

static void write_repository(struct bl_json *json, const struct bl_spec *spec)
{
	const struct bl_spec_cloud *cloud = spec->cloud;

	text_or_null(json, "group", cloud ? cloud->group : NULL);
	bl_json_map(json, "repository");
	bl_json_text(json, "key", spec->repo_key);
	bl_json_text(json, "name", spec->repo_name);
	if (cloud)
		text_or_null(json, "id", cloud->repository_id);
	bl_json_end_map(json);
	if (cloud && cloud->pr)
		bl_json_int(json, "pr", cloud->pr);
	else
		bl_json_null(json, "pr");
	bl_json_text(json, "actor", spec->actor);
	if (cloud)
		text_or_null(json, "labeller", cloud->labeller);
}

static void write_image(struct bl_json *json, const struct bl_spec_cloud *cloud)
{
	if (!cloud || !cloud->image_digest || !*cloud->image_digest) {
		bl_json_null(json, "image");
		return;
	}
	bl_json_map(json, "image");
	bl_json_text(json, "ref", cloud->image);
	bl_json_text(json, "digest", cloud->image_digest);
	text_or_null(json, "base_digest", cloud->base_digest);
	text_or_null(json, "arch", cloud->image_arch);
	text_or_null(json, "cuda", cloud->image_cuda);
	bl_json_end_map(json);
}

static void write_compute(struct bl_json *json, const struct bl_spec_cloud *cloud)
{
	bl_json_map(json, "compute");
	text_or_null(json, "stack", cloud->stack);
	text_or_null(json, "region", cloud->region);
	text_or_null(json, "market", cloud->market);
	text_or_null(json, "launch_key", cloud->launch_key);
	bl_json_list(json, "types");
	for (size_t i = 0; i < cloud->n_types; i++) {
		bl_json_map(json, NULL);
		bl_json_text(json, "type", cloud->types[i].type);
		text_or_null(json, "template", cloud->types[i].template_id);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
	bl_json_map(json, "estimate");
	bl_json_real_or_null(json, "usd_hour_low", cloud->usd_hour_low);
	bl_json_real_or_null(json, "usd_hour_high", cloud->usd_hour_high);
	bl_json_real_or_null(json, "disk_usd_hour", cloud->disk_usd_hour);
	bl_json_real_or_null(json, "usd_max", cloud->usd_max);
	bl_json_end_map(json);
	bl_json_end_map(json);
	bl_json_map(json, "actions");
	text_or_null(json, "url", cloud->actions_url);
	bl_json_end_map(json);
}

void bl_spec_write(const struct bl_spec *spec, struct bl_buf *out)
{
	struct bl_json json = { .buf = out, .indent = 2 };
	char created[BL_UTC_SIZE];

	bl_utc_text(spec->created_ms, created);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", spec->run);
	bl_json_text(&json, "nonce", spec->nonce);
	bl_json_text(&json, "created_at", created);
	bl_json_int(&json, "created_ms", spec->created_ms);
	bl_json_text(&json, "kind", spec->kind);
	bl_json_text(&json, "job", spec->config->job);
	write_repository(&json, spec);
	write_git(&json, spec);
	bl_json_value(&json, "config", spec->config->tree);
	bl_json_text(&json, "config_digest", spec->config->digest);
	bl_json_value(&json, "origins", spec->config->origins);
	bl_json_value(&json, "overrides", spec->config->overrides);
	bl_json_value(&json, "command", bl_config_value(spec->config, "command"));
	write_data(&json, spec);
	write_image(&json, spec->cloud);
	write_parents(&json, spec);
	write_limits(&json, spec->config);
	write_place(&json, spec);
	if (spec->cloud)
		write_compute(&json, spec->cloud);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
}

static int by_name(const void *a, const void *b)
{
	const struct bl_spec_channel *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int bl_spec_data_digest(const struct bl_spec_channel *channels, size_t n, char hex[BL_SHA256_HEX],
                        struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	const struct bl_spec_channel **sorted = calloc(n + 1, sizeof(struct bl_spec_channel *));

	if (!sorted)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		sorted[i] = &channels[i];
	qsort(sorted, n, sizeof(struct bl_spec_channel *), by_name);
	for (size_t i = 0; i < n; i++)
		bl_buf_addf(&text, "%s\n%s\n", sorted[i]->name, sorted[i]->digest);
	free(sorted);
	if (bl_buf_check(&text, "data digest", err))
		return -1;
	return bl_sha256_of(bl_buf_text(&text), text.len, hex, err);
}
