/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ecr.h"

#include "aws/json_call.h"
#include "codec/base64.h"
#include "codec/oci.h"

#include <string.h>

#define BODY_MAX 2048
#define LOGIN_MAX                                                                                  \
	((size_t)64 << 10) /* ECR's tokens have some 3 KiB; all of it goes into a header */

void bl_ecr_token_done(struct bl_ecr_token *token)
{
	bl_secret_done(&token->password);
	*token = (struct bl_ecr_token){ 0 };
}

/* --- A call ----------------------------------------------------------------------------------- */

static const struct bl_aws_service service = { "ecr", "AmazonEC2ContainerRegistry_V20150921." };

static int call(struct bl_aws *aws, const char *region, const char *operation,
                const struct bl_buf *body, struct bl_aws_reply *reply, struct bl_err *err)
{
	return bl_aws_json(aws, &service, region, operation, body, reply, err);
}

static bool is_code(const struct bl_aws_reply *reply, const char *code)
{
	return !strcmp(reply->code, code);
}

static const char *region_of(const struct bl_aws *aws, const char *region)
{
	return region ? region : bl_aws_region(aws);
}

static int refused(const struct bl_aws *aws, const char *region, const char *account,
                   const char *repository, const struct bl_aws_reply *reply, struct bl_err *err)
{
	if (is_code(reply, "RepositoryNotFoundException"))
		bl_next(err,
		        "create it: aws ecr create-repository --region %s --registry-id %s "
		        "--repository-name %s",
		        region_of(aws, region), account, repository);
	/* elsewhere it means that one asked too often; here there are too many repositories */
	if (is_code(reply, "LimitExceededException"))
		return bl_recode(err, BL_ECAPACITY);
	return -1;
}

/* --- Tokens ----------------------------------------------------------------------------------- */

/* base64 of "USER:PASSWORD". */
static int read_login(const char *text, struct bl_ecr_token *out, struct bl_err *err)
{
	BL_SECRET_BUF login = BL_BUF(LOGIN_MAX);
	size_t len = strlen(text), user_len;

	if (!len || !bl_buf_room(&login, len))
		return bl_fail(err, len && login.failed == BL_ENOMEM ? BL_ENOMEM : BL_ECORRUPT,
		               "an authorization token of %zu bytes", len);
	if (bl_base64_decode(text, len, &login, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
		return bl_fail(err, BL_ECORRUPT, "the authorization token is not base64");
	}
	user_len = strcspn(bl_buf_text(&login), ":");
	if (!user_len || user_len >= sizeof(out->user) || user_len + 1 >= login.len ||
	    memchr(login.data, '\0', login.len))
		return bl_fail(err, BL_ECORRUPT, "the authorization token is not USER:PASSWORD");
	memcpy(out->user, login.data, user_len);
	out->user[user_len] = '\0';
	return bl_secret_set(&out->password, login.data + user_len + 1, login.len - user_len - 1,
	                     err);
}

static int read_token(const struct bl_value *root, struct bl_ecr_token *out, struct bl_err *err)
{
	const struct bl_value *all = bl_value_get(root, "authorizationData"), *text;
	double expires_s;
	int rc;

	if (!all || all->type != BL_LIST || !all->n)
		return bl_fail(err, BL_ECORRUPT, "a reply without authorizationData");
	text = bl_value_get(all->items[0], "authorizationToken");
	expires_s = bl_value_real_or(all->items[0], "expiresAt", 0);
	if (!text || !text->text)
		return bl_fail(err, BL_ECORRUPT, "a reply without authorizationToken");
	rc = read_login(text->text, out, err);
	bl_wipe(text->text, strlen(text->text));
	if (rc)
		return -1;
	/* to the year 9999 */
	if (!(expires_s > 0) || expires_s > 253402300799.0)
		return bl_fail(err, BL_ECORRUPT, "a token without expiresAt");
	out->expires_wall_ms = (int64_t)(expires_s * 1000);
	return 0;
}

int bl_ecr_token(struct bl_aws *aws, const char *region, struct bl_ecr_token *out,
                 struct bl_err *err)
{
	static const char operation[] = "GetAuthorizationToken";
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_ecr_token) got = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX);
	struct bl_buf *text = &reply.http.body;
	BL_VALUE root = NULL;
	int rc;

	bl_buf_adds(&body, "{}");
	if (call(aws, region, operation, &body, &reply, err))
		return -1;
	rc = bl_json_parse(bl_buf_text(text), text->len, operation, &root, err);
	if (text->data)
		bl_wipe(text->data, text->cap);
	if (rc)
		return -1;
	if (read_token(root, &got, err))
		return bl_wrap(err, "ecr %s", operation);
	/* whoever looks at the expiry has this machine's clock */
	got.expires_wall_ms -= bl_aws_offset_ms(&reply);
	bl_ecr_token_done(out);
	*out = got;
	got = (struct bl_ecr_token){ 0 };
	return 0;
}

/* --- Repositories ----------------------------------------------------------------------------- */

static struct bl_json begin(struct bl_buf *body, const char *account, const char *repository)
{
	struct bl_json json = BL_JSON(body);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "registryId", account);
	bl_json_text(&json, "repositoryName", repository);
	return json;
}

static int read_digest(const struct bl_buf *body, char digest[72], struct bl_err *err)
{
	const struct bl_value *images;
	const char *text = "";
	BL_VALUE root = NULL;

	if (bl_json_parse(bl_buf_text(body), body->len, "DescribeImages", &root, err))
		return -1;
	images = bl_value_get(root, "imageDetails");
	if (images && images->type == BL_LIST && images->n == 1)
		text = bl_value_text_or(images->items[0], "imageDigest", "");
	if (!bl_digest_valid(text))
		return bl_fail(err, BL_ECORRUPT, "ecr DescribeImages: a reply without a digest");
	memcpy(digest, text, strlen(text) + 1);
	return 0;
}

int bl_ecr_tag(struct bl_aws *aws, const char *region, const char *account, const char *repository,
               const char *tag, char digest[72], struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX);
	struct bl_json json = begin(&body, account, repository);

	bl_json_list(&json, "imageIds");
	bl_json_map(&json, NULL);
	bl_json_text(&json, "imageTag", tag);
	bl_json_end_map(&json);
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	if (call(aws, region, "DescribeImages", &body, &reply, err))
		return refused(aws, region, account, repository, &reply, err);
	return read_digest(&reply.http.body, digest, err);
}

int bl_ecr_reach(struct bl_aws *aws, const char *region, const char *account,
                 const char *repository, struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX);
	struct bl_json json = BL_JSON(&body);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "registryId", account);
	bl_json_list(&json, "repositoryNames");
	bl_json_text(&json, NULL, repository);
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	if (call(aws, region, "DescribeRepositories", &body, &reply, err))
		return refused(aws, region, account, repository, &reply, err);
	return 0;
}

int bl_ecr_create(struct bl_aws *aws, const char *region, const char *account,
                  const char *repository, struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX);
	struct bl_json json = begin(&body, account, repository);

	bl_json_text(&json, "imageTagMutability", "MUTABLE");
	bl_json_map(&json, "imageScanningConfiguration");
	bl_json_bool(&json, "scanOnPush", true);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	if (!call(aws, region, "CreateRepository", &body, &reply, err))
		return 0;
	if (is_code(&reply, "RepositoryAlreadyExistsException")) {
		bl_err_clear(err); /* somebody was faster, or our own lost reply */
		return 0;
	}
	return refused(aws, region, account, repository, &reply, err);
}
