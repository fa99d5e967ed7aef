/* SPDX-License-Identifier: Apache-2.0 */
/* How an attempt's box is known before it is bought: its token and its tags. Pure. */
#include "run/compute_parts.h"

#include "base/str.h"
#include "codec/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((size_t)64 << 10)

/* RFC 4648, in lower case, without padding: 52 characters of 32 bytes. */
static void base32(const unsigned char raw[BL_SHA256_BYTES], char *out)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned held = 0, bits = 0;

	for (size_t i = 0; i < BL_SHA256_BYTES; i++) {
		held = (held << 8 | raw[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = digits[held >> (bits - 5) & 31];
	}
	if (bits)
		*out++ = digits[held << (5 - bits) & 31];
	*out = '\0';
}

int bl_compute_token(const struct bl_run *run, unsigned attempt, unsigned try_number,
                     const struct bl_purchase *purchase, char token[65], struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(TEXT_MAX);
	unsigned char raw[BL_SHA256_BYTES];
	struct bl_sha256 *sha;
	int rc;

	bl_buf_addf(&text, "%s\n%s\n%u\n%u\n%s\n%s\n%" PRId64 "\n", run->repository_key, run->id,
	            attempt, try_number, purchase->spot ? "spot" : "on-demand",
	            purchase->template_id, purchase->template_version);
	for (size_t i = 0; i < purchase->n_pools; i++)
		bl_buf_addf(&text, "%s %s\n", purchase->pools[i].type, purchase->pools[i].subnet);
	if (bl_buf_check(&text, "client token", err) || bl_sha256_new(&sha, err))
		return -1;
	rc = bl_sha256_add(sha, bl_buf_text(&text), text.len, err) || bl_sha256_raw(sha, raw, err)
	             ? -1
	             : 0;
	bl_sha256_free(sha);
	if (!rc)
		base32(raw, token);
	return rc;
}

static void add(struct bl_compute_tags *tags, const char *key, const char *value)
{
	if (value && *value)
		tags->items[tags->n++] = (struct bl_ec2_tag){ .key = key, .value = value };
}

void bl_compute_tags(const char *stack, const struct bl_start *what, bool spot,
                     struct bl_compute_tags *out)
{
	*out = (struct bl_compute_tags){ 0 };
	snprintf(out->attempt, sizeof(out->attempt), "%u", what->attempt);
	snprintf(out->deadline, sizeof(out->deadline), "%" PRId64, what->deadline_ms / 1000);
	if (what->run->pr)
		snprintf(out->pr, sizeof(out->pr), "%" PRId64, what->run->pr);
	add(out, BL_TAG "stack", stack);
	add(out, BL_TAG "run", what->run->id);
	add(out, BL_TAG "attempt", out->attempt);
	add(out, BL_TAG "deadline", out->deadline);
	add(out, BL_TAG "repository", what->run->repository_key);
	add(out, BL_TAG "pr", out->pr);
	add(out, BL_TAG "job", what->run->job);
	add(out, BL_TAG "spec", what->spec_sha256);
	add(out, BL_TAG "host", what->host_sha256);
	add(out, BL_TAG "key", what->launch_key);
	add(out, BL_TAG "mode", spot ? "spot" : "on-demand");
}

int bl_compute_try_text(const char *stack, const struct bl_start *what, size_t purchase,
                        unsigned number, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_purchase *how = &what->purchases[purchase];
	struct bl_ec2_pool pools[300];
	struct bl_compute_tags tags;
	char token[65];
	struct bl_ec2_fleet_request request = {
		.client_token = token,
		.template_id = how->template_id,
		.template_version = how->template_version,
		.spot = how->spot,
		.pools = pools,
		.n_pools = how->n_pools < BL_COUNT(pools) ? how->n_pools : BL_COUNT(pools),
		.tags = tags.items,
	};

	if (bl_compute_token(what->run, what->attempt, number, how, token, err))
		return -1;
	bl_compute_tags(stack, what, how->spot, &tags);
	request.n_tags = tags.n;
	for (size_t i = 0; i < request.n_pools; i++)
		pools[i] = (struct bl_ec2_pool){ how->pools[i].type, how->pools[i].subnet };
	bl_ec2_fleet_text(&request, out);
	return bl_buf_check(out, "request", err);
}

int bl_compute_request_text(const char *stack, const struct bl_start *what, size_t purchase,
                            struct bl_buf *out, struct bl_err *err)
{
	return bl_compute_try_text(stack, what, purchase, 1, out, err);
}
