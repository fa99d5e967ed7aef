/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sigv4_input.h"

#include "codec/json.h"

#include <string.h>

static int read_pairs(const struct bl_value *list, struct bl_pair *pairs, size_t max, size_t *n,
                      struct bl_err *err)
{
	size_t count = list ? list->n : 0;

	if (count > max)
		return bl_fail(err, BL_ELIMIT, "%zu pairs", count);
	for (size_t i = 0; i < count; i++) {
		const struct bl_value *pair = list->items[i];

		if (pair->n != 2 || !pair->items[0]->text)
			return bl_fail(err, BL_EINPUT, "a pair is [NAME, VALUE]");
		pairs[i] = (struct bl_pair){ pair->items[0]->text, pair->items[1]->text };
	}
	*n = count;
	return 0;
}

int sign_input_read(const char *json, size_t len, struct sign_input *out, struct bl_err *err)
{
	struct bl_sign *sign = &out->sign;
	const char *secret, *token;

	if (bl_json_parse(json, len, "request", &out->root, err) ||
	    bl_value_text(out->root, "method", &sign->method, err) ||
	    bl_value_text(out->root, "path", &sign->path, err) ||
	    bl_value_text(out->root, "hash", &sign->payload_hash, err) ||
	    bl_value_text(out->root, "region", &sign->region, err) ||
	    bl_value_text(out->root, "service", &sign->service, err) ||
	    bl_value_int(out->root, "ms", &sign->wall_ms, err) ||
	    bl_value_text(out->root, "access_key", &sign->access_key, err) ||
	    bl_value_text(out->root, "secret", &secret, err) ||
	    bl_secret_set(&out->secret, secret, strlen(secret), err) ||
	    read_pairs(bl_value_get(out->root, "query"), out->query, BL_COUNT(out->query),
	               &sign->n_query, err) ||
	    read_pairs(bl_value_get(out->root, "headers"), out->headers, BL_COUNT(out->headers),
	               &sign->n_headers, err))
		return -1;
	token = bl_value_text_or(out->root, "token", NULL);
	if (token && bl_secret_set(&out->token, token, strlen(token), err))
		return -1;
	sign->is_s3 = bl_value_bool_or(out->root, "s3", false);
	sign->query = out->query;
	sign->headers = out->headers;
	sign->secret = &out->secret;
	sign->token = token ? &out->token : NULL;
	out->expires_s = (unsigned)bl_value_int_or(out->root, "expires", 0);
	return 0;
}

void sign_input_done(struct sign_input *input)
{
	bl_value_free(input->root);
	bl_secret_done(&input->secret);
	bl_secret_done(&input->token);
}

void sign_stages_done(struct sign_stages *stages)
{
	bl_buf_done(&stages->canonical);
	bl_buf_done(&stages->string);
	bl_buf_done(&stages->lines);
	bl_buf_done(&stages->query);
	bl_buf_done(&stages->query_canonical);
}

static int header_stages(const struct sign_input *input, struct bl_sign_key *key,
                         struct sign_stages *out, struct bl_err *err)
{
	struct bl_sign whole = input->sign;
	struct bl_pair headers[BL_COUNT(input->headers) + 2];
	char date[BL_AMZ_DATE_SIZE];

	memcpy(headers, input->headers, sizeof(input->headers));
	bl_amz_date(whole.wall_ms, date);
	headers[whole.n_headers++] = (struct bl_pair){ "X-Amz-Date", date };
	if (whole.token)
		headers[whole.n_headers++] =
			(struct bl_pair){ "X-Amz-Security-Token", whole.token->text };
	whole.headers = headers;
	bl_sign_canonical(&whole, &out->canonical);
	if (bl_buf_check(&out->canonical, "canonical", err) ||
	    bl_sign_string(&whole, out->canonical.data, &out->string, err))
		return -1;
	return bl_sign_headers(&input->sign, key, &out->lines, err);
}

/* The canonical request without a query, its empty third line replaced by what was presigned. */
static int query_stages(const struct sign_input *input, struct bl_sign_key *key,
                        struct sign_stages *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) rest = BL_BUF(1 << 20);
	struct bl_sign bare = input->sign;
	const char *third, *end;

	if (bl_sign_query(&input->sign, key, input->expires_s, &out->query, err))
		return -1;
	bare.n_query = 0;
	bl_sign_canonical(&bare, &rest);
	if (bl_buf_check(&rest, "canonical", err))
		return -1;
	third = strchr(strchr(rest.data, '\n') + 1, '\n') + 1;
	end = strstr(out->query.data, "&X-Amz-Signature=");
	bl_buf_add(&out->query_canonical, rest.data, (size_t)(third - rest.data));
	bl_buf_add(&out->query_canonical, out->query.data, (size_t)(end - out->query.data));
	bl_buf_adds(&out->query_canonical, third);
	return bl_buf_check(&out->query_canonical, "canonical", err);
}

int sign_stages_of(const struct sign_input *input, struct bl_sign_key *key, struct sign_stages *out,
                   struct bl_err *err)
{
	if (header_stages(input, key, out, err))
		return -1;
	return input->expires_s ? query_stages(input, key, out, err) : 0;
}
