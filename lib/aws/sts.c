/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sts.h"

#include "aws/oidc.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/jwt.h"
#include "codec/xml.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define VERSION "2011-06-15"
#define FORM_MAX ((size_t)128 << 10) /* a token of 20,000 bytes and a policy, all encoded */
#define CALL_MS 30000

/* --- The form --------------------------------------------------------------------------------- */

static void add_field(struct bl_buf *form, const char *name, const char *value)
{
	bl_buf_addf(form, "&%s=", name);
	bl_uri_add(form, value, strlen(value));
}

static void begin_form(struct bl_buf *form, const char *operation)
{
	bl_buf_addf(form, "Action=%s&Version=" VERSION, operation);
}

static int add_assume(struct bl_buf *form, const struct bl_assume *assume, struct bl_err *err)
{
	char name[BL_STS_NAME_MAX + 1], seconds[16];

	if (bl_sts_check_role(assume->role_arn, err))
		return -1;
	if (assume->policy && strlen(assume->policy) > BL_STS_POLICY_MAX)
		return bl_fail(err, BL_EINPUT, "a session policy of %zu bytes: STS takes %d",
		               strlen(assume->policy), BL_STS_POLICY_MAX);
	bl_sts_session_name(assume->session_name ? assume->session_name : "branchline", name);
	add_field(form, "RoleArn", assume->role_arn);
	add_field(form, "RoleSessionName", name);
	if (assume->policy)
		add_field(form, "Policy", assume->policy);
	if (assume->duration_s) {
		snprintf(seconds, sizeof(seconds), "%u", assume->duration_s);
		add_field(form, "DurationSeconds", seconds);
	}
	return 0;
}

static int send_form(struct bl_aws *aws, const char *operation, const struct bl_buf *form,
                     struct bl_aws_reply *reply, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;

	if (bl_buf_check(form, operation, err))
		return -1;
	request.service = "sts";
	request.operation = operation;
	request.protocol = BL_AWS_QUERY;
	request.method = "POST";
	request.bytes = bl_buf_text(form);
	request.size = form->len;
	request.reply_max = (size_t)256 << 10;
	request.call.deadline_mono_ms = bl_mono_ms() + CALL_MS;
	return bl_aws_send(aws, &request, reply, err);
}

/* --- The reply -------------------------------------------------------------------------------- */

struct assumed {
	struct bl_credentials creds;
	bool expires;
};

static void assumed_done(struct assumed *assumed)
{
	bl_credentials_done(&assumed->creds);
}

/* "arn:aws:sts::123456789012:assumed-role/NAME/SESSION" */
static void account_of(const char *arn, char account[13])
{
	const char *at = arn;

	for (int colons = 0; colons < 4; colons++) {
		at = strchr(at, ':');
		if (!at)
			return;
		at++;
	}
	if (strspn(at, "0123456789") == 12 && at[12] == ':')
		snprintf(account, 13, "%.12s", at);
}

static int take_key(const char *text, char key[129], struct bl_err *err)
{
	if (!*text || strlen(text) > 128)
		return bl_fail(err, BL_ECORRUPT, "an access key id of %zu bytes", strlen(text));
	snprintf(key, 129, "%s", text);
	return 0;
}

static int on_assumed(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct assumed *got = arg;

	if (bl_str_ends(path, "/Credentials/AccessKeyId"))
		return take_key(text, got->creds.access_key, err);
	if (bl_str_ends(path, "/Credentials/SecretAccessKey"))
		return bl_secret_set(&got->creds.secret, text, strlen(text), err);
	if (bl_str_ends(path, "/Credentials/SessionToken"))
		return bl_secret_set(&got->creds.token, text, strlen(text), err);
	if (bl_str_ends(path, "/Credentials/Expiration"))
		got->expires = bl_utc_parse(text, &got->creds.expires_wall_ms);
	if (bl_str_ends(path, "/AssumedRoleUser/Arn"))
		account_of(text, got->creds.account);
	return 0;
}

static int read_assumed(struct bl_aws_reply *reply, const char *operation,
                        struct bl_credentials *out, struct bl_err *err)
{
	__attribute__((cleanup(assumed_done))) struct assumed got = { 0 };
	struct bl_buf *body = &reply->http.body;
	int rc = bl_xml_read(bl_buf_text(body), body->len, operation, on_assumed, &got, err);

	if (body->data)
		bl_wipe(body->data, body->cap);
	if (rc)
		return -1;
	if (!got.creds.access_key[0] || !got.creds.secret.len || !got.creds.token.len ||
	    !got.expires)
		return bl_fail(err, BL_ECORRUPT, "%s: a reply without credentials", operation);
	/* whoever looks at the expiry has this machine's clock */
	got.creds.expires_wall_ms -= bl_aws_offset_ms(reply);
	bl_credentials_done(out);
	*out = got.creds;
	got.creds = (struct bl_credentials){ 0 };
	return 0;
}

/* --- Refusals --------------------------------------------------------------------------------- */

static void append(struct bl_err *err, const char *text)
{
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, "%s", text);
}

static void replace_next(struct bl_err *err, const char *text)
{
	snprintf(err->next, sizeof(err->next), "%s", text);
}

static const char *role_name(const char *arn)
{
	const char *slash = strrchr(arn, '/');

	return slash ? slash + 1 : arn;
}

/* The token's side into the text, the policy's into the next step. */
static void explain_refusal(const struct bl_assume *assume, const struct bl_secret *token,
                            struct bl_err *err)
{
	BL_AUTO(bl_buf) classic = BL_BUF(1024), immutable = BL_BUF(1024), line = BL_BUF(2048);
	struct bl_err unread = { 0 };
	BL_VALUE claims = NULL;

	if (bl_jwt_claims(bl_secret_text(token), token->len, &claims, &unread))
		return;
	bl_oidc_subs(claims, &classic, &immutable);
	bl_buf_addf(&line, "; the token says sub %s, aud %s, repository_id ",
	            bl_value_text_or(claims, "sub", "?"), bl_value_text_or(claims, "aud", "?"));
	bl_oidc_add_claim(&line, claims, "repository_id");
	append(err, bl_buf_text(&line));
	bl_buf_reset(&line);
	if (!strcmp(role_name(assume->role_arn), "GitHubActions"))
		bl_buf_adds(&line, "AWS refuses a role named GitHubActions: give it another name");
	else
		bl_buf_addf(&line,
		            "the role must trust aud %s and sub (StringEquals) one of: %s%s%s",
		            bl_value_text_or(claims, "aud", "?"), bl_buf_text(&classic),
		            immutable.len ? " " : "", bl_buf_text(&immutable));
	/* half a condition would be pasted as it stands */
	if (line.len >= sizeof(err->next)) {
		bl_buf_reset(&line);
		bl_buf_adds(&line,
		            "the role must trust this aud and sub; `branchline whoami` in the job "
		            "prints the conditions whole");
	}
	replace_next(err, bl_buf_text(&line));
}

static bool is_code(const struct bl_aws_reply *reply, const char *code)
{
	return !strcmp(reply->code, code);
}

/* Its age, or keys of the issuer that AWS could not fetch: not who it is, nor for whom. */
static bool may_be_renewed(const struct bl_aws_reply *reply)
{
	return is_code(reply, "ExpiredTokenException") ||
	       (is_code(reply, "InvalidIdentityToken") &&
	        !strstr(reply->message, "No OpenIDConnect provider") &&
	        !strstr(reply->message, "Incorrect token audience"));
}

static int refused_web(const struct bl_assume *assume, const struct bl_secret *token,
                       const struct bl_aws_reply *reply, bool *renew, struct bl_err *err)
{
	if (is_code(reply, "AccessDenied") || is_code(reply, "IDPRejectedClaim"))
		explain_refusal(assume, token, err);
	*renew = may_be_renewed(reply);
	return *renew ? bl_recode(err, BL_ERETRY) : -1;
}

/* --- Operations ------------------------------------------------------------------------------- */

int bl_sts_assume_web(struct bl_aws *aws, const struct bl_assume *assume,
                      const struct bl_secret *token, struct bl_credentials *out, bool *renew,
                      struct bl_err *err)
{
	static const char operation[] = "AssumeRoleWithWebIdentity";
	BL_SECRET_BUF form = BL_BUF(FORM_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };

	*renew = false;
	if (token->len < 4 || token->len > BL_JWT_MAX)
		return bl_fail(err, BL_EINPUT,
		               "a web identity token of %zu bytes: STS takes 4 to %d", token->len,
		               BL_JWT_MAX);
	begin_form(&form, operation);
	if (add_assume(&form, assume, err))
		return -1;
	add_field(&form, "WebIdentityToken", bl_secret_text(token));
	if (send_form(aws, operation, &form, &reply, err))
		return refused_web(assume, token, &reply, renew, err);
	return read_assumed(&reply, operation, out, err);
}

int bl_sts_assume(struct bl_aws *aws, const struct bl_assume *assume, struct bl_credentials *out,
                  struct bl_err *err)
{
	BL_SECRET_BUF form = BL_BUF(FORM_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };

	begin_form(&form, "AssumeRole");
	if (add_assume(&form, assume, err))
		return -1;
	if (assume->external_id)
		add_field(&form, "ExternalId", assume->external_id);
	if (send_form(aws, "AssumeRole", &form, &reply, err))
		return -1;
	return read_assumed(&reply, "AssumeRole", out, err);
}

static int on_caller(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct bl_caller *caller = arg;

	(void)err;
	if (bl_str_ends(path, "/Account"))
		snprintf(caller->account, sizeof(caller->account), "%s", text);
	else if (bl_str_ends(path, "/Arn"))
		snprintf(caller->arn, sizeof(caller->arn), "%s", text);
	else if (bl_str_ends(path, "/UserId"))
		snprintf(caller->user_id, sizeof(caller->user_id), "%s", text);
	return 0;
}

int bl_sts_caller(struct bl_aws *aws, struct bl_caller *out, struct bl_err *err)
{
	static const char operation[] = "GetCallerIdentity";
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) form = BL_BUF(256);
	struct bl_caller got = { 0 };

	begin_form(&form, operation);
	if (send_form(aws, operation, &form, &reply, err) ||
	    bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, operation, on_caller,
	                &got, err))
		return -1;
	if (!got.account[0] || !got.arn[0])
		return bl_fail(err, BL_ECORRUPT, "%s: a reply without account or ARN", operation);
	*out = got;
	return 0;
}
