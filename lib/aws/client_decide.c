/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A peer's own may be any word; what could lead elsewhere in a host's name is none. */
static bool is_region(const char *text, size_t len)
{
	if (!len || len >= BL_REGION_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) &&
		    text[i] != '-')
			return false;
	return true;
}

/* AWS's have two dashes at least, which no service's label has. */
static bool has_two_dashes(const char *text, size_t len)
{
	const char *dash = memchr(text, '-', len);

	return dash && memchr(dash + 1, '-', len - (size_t)(dash + 1 - text));
}

static void set_region(char region[BL_REGION_SIZE], const char *text, size_t len)
{
	region[0] = '\0';
	if (is_region(text, len))
		snprintf(region, BL_REGION_SIZE, "%.*s", (int)len, text);
}

void bl_aws_region_of_host(const char *host, char region[BL_REGION_SIZE])
{
	const char *aws = strstr(host, ".amazonaws.com");
	const char *at = aws;

	region[0] = '\0';
	if (!aws)
		return;
	/* the label before: "eu-west-1", or the older "s3-eu-west-1" */
	while (at > host && at[-1] != '.')
		at--;
	if (aws - at > 3 && !memcmp(at, "s3-", 3))
		at += 3;
	if (has_two_dashes(at, (size_t)(aws - at)))
		set_region(region, at, (size_t)(aws - at));
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* S3 names the bucket's region in many replies; in these it is the cause. */
static bool means_other_region(const struct bl_aws_facts *facts)
{
	static const char *const codes[] = { "AuthorizationHeaderMalformed", "PermanentRedirect",
		                             "TemporaryRedirect", "BucketRegionError" };

	if (is_redirect(facts->status))
		return true;
	for (size_t i = 0; i < BL_COUNT(codes); i++)
		if (!strcmp(facts->code, codes[i]))
			return true;
	return facts->is_head && facts->status == 400 && !*facts->code;
}

static bool region_moves(const struct bl_aws_facts *facts, const char *region)
{
	return is_region(region, strlen(region)) && strcmp(region, facts->signed_region) != 0;
}

static enum bl_aws_act follow(const struct bl_aws_facts *facts, struct bl_aws_verdict *out)
{
	BL_AUTO(bl_buf) authority = BL_BUF(sizeof(out->host) - 1);
	struct bl_err refused = { 0 };
	struct bl_url url;

	if (bl_url_parse(facts->location, &url, &refused) || !url.tls || !bl_host_is_aws(url.host))
		return BL_AWS_REFUSE;
	if (facts->moved)
		return BL_AWS_END;
	bl_aws_region_of_host(url.host, out->region);
	/* by name rather than by host, so that it is remembered */
	if (!facts->custom && region_moves(facts, out->region))
		return BL_AWS_REGION;
	bl_url_add_authority(&authority, &url);
	snprintf(out->host, sizeof(out->host), "%s", bl_buf_text(&authority));
	return authority.failed ? BL_AWS_REFUSE : BL_AWS_FOLLOW;
}

static enum bl_aws_act redirected(const struct bl_aws_facts *facts, struct bl_aws_verdict *out)
{
	if (region_moves(facts, facts->region) && !facts->moved) {
		set_region(out->region, facts->region, strlen(facts->region));
		return BL_AWS_REGION;
	}
	if (is_redirect(facts->status) && *facts->location)
		return follow(facts, out);
	return BL_AWS_END;
}

/* The error's own kind, or for want of a code what a reply to HEAD can mean. */
static enum bl_retry_kind kind_of(const struct bl_aws_facts *facts, bool skewed)
{
	enum bl_retry_kind kind = bl_retry_kind(facts->status, facts->code, BL_OK);
	bool silent = facts->is_head && !*facts->code;

	if (silent && facts->status == 403 && skewed)
		return BL_RETRY_CLOCK;
	if (silent && facts->status == 400)
		kind = BL_RETRY_STALE;
	if (kind == BL_RETRY_CLOCK && !skewed)
		kind = strcmp(facts->code, "RequestExpired") ? BL_RETRY_FINAL : BL_RETRY_STALE;
	if (kind == BL_RETRY_STALE && !facts->has_token)
		return BL_RETRY_FINAL; /* nothing of ours expired: a token in the request did */
	return kind;
}

static enum bl_aws_act lost_reply(const struct bl_aws_facts *facts)
{
	return facts->unsafe && facts->sent ? BL_AWS_END : BL_AWS_REPEAT;
}

void bl_aws_decide(const struct bl_aws_facts *facts, struct bl_aws_verdict *out)
{
	bool skewed = facts->offset_ms > BL_AWS_SKEW_MS || facts->offset_ms < -BL_AWS_SKEW_MS;

	*out = (struct bl_aws_verdict){ .act = BL_AWS_END, .kind = BL_RETRY_FINAL };
	if (!facts->status) {
		out->kind = bl_retry_kind(0, "", facts->lost);
		if (out->kind == BL_RETRY_TRANSIENT)
			out->act = lost_reply(facts);
		return;
	}
	if (means_other_region(facts)) {
		out->act = redirected(facts, out);
		if (out->act != BL_AWS_END)
			return;
	}
	out->kind = kind_of(facts, skewed);
	if (out->kind == BL_RETRY_CLOCK)
		out->act = BL_AWS_HEAL;
	else if (out->kind == BL_RETRY_STALE)
		out->act = BL_AWS_RENEW;
	else if (out->kind == BL_RETRY_THROTTLED)
		out->act = BL_AWS_REPEAT;
	else if (out->kind == BL_RETRY_TRANSIENT)
		/* without a code it comes from between us and the service: a lost reply */
		out->act = *facts->code ? BL_AWS_REPEAT : lost_reply(facts);
}
