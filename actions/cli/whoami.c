/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/identity.h"
#include "actions/verbs.h"
#include "aws/oidc.h"
#include "aws/sts.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/jwt.h"

#include <stdio.h>

struct options {
	struct identity identity;
	bool json;
};

static const struct bl_option table[] = {
	IDENTITY_OPT_PROFILE(struct options), IDENTITY_OPT_ROLE(struct options),
	IDENTITY_OPT_REGION(struct options),  IDENTITY_OPT_AUDIENCE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "whoami",
	.example = "branchline whoami",
	.about = "Shows who AWS takes us for, where the credentials came from and how long they "
		 "last;\n"
		 "in a GitHub job also what its identity token says, and what a trust policy must "
		 "say.",
	.options = table,
	.n_options = BL_COUNT(table),
};

struct answer {
	struct bl_caller caller;
	char source[96], expiry[BL_UTC_SIZE];
	struct bl_value *claims; /* NULL: no GitHub job */
	bool known;              /* AWS answered */
};

static void answer_done(struct answer *answer)
{
	bl_value_free(answer->claims);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static int ask_aws(const struct bl_creds_options *how, struct answer *out, struct bl_err *err)
{
	const struct bl_credentials *got;
	struct bl_creds *creds = NULL;
	struct bl_aws *aws = NULL;
	int rc = -1;

	if (bl_creds_open(how, &creds, err))
		return -1;
	struct bl_aws_options options = { .profile = how->profile,
		                          .region = how->region,
		                          .creds = creds };
	if (!bl_creds_get(creds, &got, err) && !bl_aws_open(&options, &aws, err) &&
	    !bl_sts_caller(aws, &out->caller, err) && !bl_creds_get(creds, &got, err)) {
		snprintf(out->source, sizeof(out->source), "%s", got->source);
		if (got->expires_wall_ms)
			bl_utc_text(got->expires_wall_ms, out->expiry);
		out->known = true;
		rc = 0;
	}
	bl_aws_close(aws);
	bl_creds_close(creds);
	return rc;
}

static int ask_github(const char *audience, struct answer *out, struct bl_err *err)
{
	__attribute__((cleanup(bl_secret_done))) struct bl_secret token = { 0 };
	BL_HTTP http = NULL;

	if (!bl_oidc_available())
		return 0;
	if (bl_http_open(NULL, &http, err) || bl_oidc_token(http, audience, &token, err))
		return -1;
	return bl_jwt_claims(bl_secret_text(&token), token.len, &out->claims, err);
}

/* --- Showing ---------------------------------------------------------------------------------- */

static void add_json(const struct answer *answer, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	bl_json_int(&json, "schema", 1);
	bl_json_text(&json, "account", answer->known ? answer->caller.account : NULL);
	bl_json_text(&json, "arn", answer->known ? answer->caller.arn : NULL);
	bl_json_text(&json, "user_id", answer->known ? answer->caller.user_id : NULL);
	bl_json_text(&json, "source", answer->known ? answer->source : NULL);
	bl_json_text(&json, "expires_at", answer->expiry[0] ? answer->expiry : NULL);
	if (answer->claims)
		bl_json_value(&json, "claims", answer->claims);
	else
		bl_json_null(&json, "claims");
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
}

static void add_line(struct bl_buf *out, const char *name, const char *text)
{
	bl_buf_addf(out, "%-8s ", name);
	bl_log_add_text(out, text);
	bl_buf_addc(out, '\n');
}

/* Claims are a stranger's text in part: a branch's name, a workflow's. */
static void add_claims(const struct bl_value *claims, struct bl_buf *out)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)64 << 10);
	const char *line;

	bl_buf_adds(out, "\nGitHub's identity token\n");
	bl_oidc_explain(claims, &text);
	for (line = bl_buf_text(&text); *line;) {
		BL_AUTO(bl_buf) one = BL_BUF((size_t)64 << 10);
		size_t n = 0;

		while (line[n] && line[n] != '\n')
			n++;
		bl_buf_add(&one, line, n);
		bl_buf_adds(out, "  ");
		bl_log_add_text(out, bl_buf_text(&one));
		bl_buf_addc(out, '\n');
		line += n + (line[n] != '\0');
	}
}

static void add_text(const struct answer *answer, struct bl_buf *out)
{
	if (answer->known) {
		add_line(out, "account", answer->caller.account);
		add_line(out, "arn", answer->caller.arn);
		add_line(out, "source", answer->source);
		add_line(out, "expires", answer->expiry[0] ? answer->expiry : "never");
	}
	if (answer->claims)
		add_claims(answer->claims, out);
}

static int show(const struct answer *answer, bool json, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)256 << 10);

	if (json)
		add_json(answer, &text);
	else
		add_text(answer, &text);
	if (bl_buf_check(&text, "whoami", err))
		return -1;
	fputs(bl_buf_text(&text), stdout);
	return 0;
}

int verb_whoami(int argc, char **argv, struct bl_err *err)
{
	__attribute__((cleanup(answer_done))) struct answer answer = { 0 };
	BL_AUTO(bl_buf) policy = BL_BUF(1);
	BL_AUTO(bl_args) args = { 0 };
	struct bl_creds_options how;
	struct options opt = { 0 };
	struct bl_err later = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (identity_options(&opt.identity, &policy, &how, err))
		return -1;
	/* a refusal is when the claims are wanted most: they are shown in any case */
	if (ask_aws(&how, &answer, err)) {
		if (!ask_github(how.audience, &answer, &later) && answer.claims &&
		    show(&answer, opt.json, &later))
			bl_log_err(BL_LOG_DEBUG, &later);
		return -1;
	}
	if (ask_github(how.audience, &answer, err))
		return -1;
	return show(&answer, opt.json, err);
}
