/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/held.h"
#include "actions/identity.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "aws/sts.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "codec/hash.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROFILE "branchline"
#define CONFIG_MAX ((size_t)64 << 10)

struct options {
	struct identity identity;
	const char *accounts, *mode;
};

static const struct bl_option table[] = {
	IDENTITY_OPT_ROLE(struct options),
	IDENTITY_OPT_REGION(struct options),
	IDENTITY_OPT_AUDIENCE(struct options),
	IDENTITY_OPT_POLICY(struct options),
	IDENTITY_OPT_DURATION(struct options),
	{ "allowed-account-ids", 0, BL_OPT_TEXT, offsetof(struct options, accounts), "LIST",
	  "refuse a role of any other account" },
	{ "mode", 0, BL_OPT_TEXT, offsetof(struct options, mode), "MODE",
	  "profile (default: renews itself) or env (fixed variables)" },
};

static const struct bl_usage usage = {
	.verb = "assume-role",
	.example = "branchline assume-role --role-arn arn:aws:iam::123456789012:role/train",
	.about =
		"The action: later steps of the job use the role. By default through a profile "
		"that\n"
		"renews itself for the whole job, so that the AWS CLI and every SDK go on working.",
	.options = table,
	.n_options = BL_COUNT(table),
};

/* What the step decided, before anybody is asked. */
struct assume {
	struct bl_creds_options how;
	char account[13];
	bool env;
	char dir[4096];
	char config[4096 + 64], shared[4096 + 64], cache[4096 + 64], policy[4096 + 64];
};

/* --- Checks ----------------------------------------------------------------------------------- */

/* Words between commas and blanks. */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, ", \t\r\n");

		if (n == len && !memcmp(list, word, n))
			return true;
		list += n + (list[n] != '\0');
	}
	return false;
}

static int check_account(const char *accounts, const char *account, struct bl_err *err)
{
	if (!accounts || lists(accounts, account))
		return 0;
	bl_fail(err, BL_EDENIED, "the role is of account %s; allowed-account-ids is %.200s",
	        account, accounts);
	return bl_next(err, "correct role-arn, or add the account to allowed-account-ids");
}

static const char *set_variable(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? text : NULL;
}

static int choose_role(struct bl_creds_options *how, struct bl_err *err)
{
	if (!how->role_arn)
		how->role_arn = set_variable("AWS_ROLE_ARN");
	if (!how->role_arn) {
		bl_fail(err, BL_EINPUT, "role-arn is missing");
		return bl_next(err,
		               "with: {role-arn: \"${{ vars.AWS_ROLE_ARN }}\"}, or AWS_ROLE_ARN in "
		               "the job's env");
	}
	return bl_sts_check_role(how->role_arn, err);
}

static int choose_region(struct bl_creds_options *how, struct bl_err *err)
{
	if (!how->region)
		how->region = set_variable("AWS_REGION");
	if (!how->region)
		how->region = set_variable("AWS_DEFAULT_REGION");
	if (!how->region) {
		bl_fail(err, BL_EINPUT, "region is missing");
		return bl_next(err, "with: {region: eu-central-1}, or AWS_REGION in the job's env");
	}
	/* it is written into files: no other characters */
	if (strlen(how->region) >= BL_REGION_SIZE ||
	    how->region[strspn(how->region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return bl_fail(err, BL_EINPUT, "region '%.40s': not a region's name", how->region);
	return 0;
}

static int choose_mode(const char *mode, bool *env, struct bl_err *err)
{
	*env = mode && !strcmp(mode, "env");
	if (mode && !*env && strcmp(mode, "profile") != 0)
		return bl_fail(err, BL_EINPUT, "mode '%.40s' is neither profile nor env", mode);
	return 0;
}

/* --- Where ------------------------------------------------------------------------------------ */

/* Files of this role and job: another use of the action in the same job takes none of them over. */
static int choose_files(struct assume *step, struct bl_err *err)
{
	const char *temp = set_variable("RUNNER_TEMP");
	char binding[BL_SHA256_HEX];

	if (!temp || *temp != '/') {
		bl_fail(err, BL_EINPUT, "RUNNER_TEMP is not set: this is no step of a workflow");
		return bl_next(err, "elsewhere, `branchline credentials` in a profile's "
		                    "credential_process does the same");
	}
	if (held_binding(&step->how, binding, err))
		return -1;
	if ((size_t)snprintf(step->dir, sizeof(step->dir), "%s/branchline", temp) >=
	    sizeof(step->dir))
		return bl_fail(err, BL_EINPUT, "RUNNER_TEMP is too long");
	snprintf(step->config, sizeof(step->config), "%s/aws-%.12s.config", step->dir, binding);
	snprintf(step->shared, sizeof(step->shared), "%s/aws-%.12s.none", step->dir, binding);
	snprintf(step->cache, sizeof(step->cache), "%s/aws-%.12s.held", step->dir, binding);
	snprintf(step->policy, sizeof(step->policy), "%s/aws-%.12s.policy", step->dir, binding);
	return 0;
}

static int choose(const struct options *opt, struct bl_buf *policy, struct assume *step,
                  struct bl_err *err)
{
	const char *account;

	if (identity_options(&opt->identity, policy, &step->how, err) ||
	    choose_role(&step->how, err) || choose_region(&step->how, err) ||
	    choose_mode(opt->mode, &step->env, err) || choose_files(step, err))
		return -1;
	account = strstr(step->how.role_arn, ":iam::") + strlen(":iam::");
	snprintf(step->account, sizeof(step->account), "%.12s", account);
	return check_account(opt->accounts, step->account, err);
}

/* --- The profile ------------------------------------------------------------------------------ */

/*
 * A word of credential_process. Some SDKs hand the line to a shell, others split it themselves,
 * and readers of the file take " #" for a comment: quoted where needed, refused where one of them
 * would read it differently.
 */
static int add_word(struct bl_buf *line, const char *word, struct bl_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:=,@+-";
	bool quote = word[strspn(word, plain)] || !*word;

	for (const char *at = word; *at; at++)
		if ((unsigned char)*at < ' ' || strchr("\"'\\$`!#;", *at))
			return bl_fail(err, BL_EINPUT,
			               "'%.200s' cannot be written into a profile: it holds '%c'",
			               word, (unsigned char)*at < ' ' ? '?' : *at);
	if (line->len)
		bl_buf_addc(line, ' ');
	bl_buf_adds(line, quote ? "\"" : "");
	bl_buf_adds(line, word);
	bl_buf_adds(line, quote ? "\"" : "");
	return 0;
}

static int add_option(struct bl_buf *line, const char *flag, const char *value, struct bl_err *err)
{
	if (!value)
		return 0;
	return add_word(line, flag, err) || add_word(line, value, err) ? -1 : 0;
}

/* Every option is written out: the steps that call it have inputs and variables of their own. */
static int add_process(const struct assume *step, struct bl_buf *line, struct bl_err *err)
{
	char self[PATH_MAX], seconds[16], policy[sizeof(step->policy) + 8];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return bl_fail(err, BL_EIO, "/proc/self/exe cannot be read");
	self[n] = '\0';
	snprintf(seconds, sizeof(seconds), "%u", step->how.duration_s);
	snprintf(policy, sizeof(policy), "file://%s", step->policy);
	if (add_word(line, self, err) || add_word(line, "credentials", err) ||
	    add_option(line, "--role-arn", step->how.role_arn, err) ||
	    add_option(line, "--region", step->how.region, err) ||
	    add_option(line, "--audience", step->how.audience, err) ||
	    add_option(line, "--duration", step->how.duration_s ? seconds : NULL, err) ||
	    add_option(line, "--session-policy", step->how.session_policy ? policy : NULL, err) ||
	    add_option(line, "--cache", step->cache, err))
		return -1;
	return 0;
}

static int put(const char *path, const char *text, size_t len, struct bl_err *err)
{
	const char *name = strrchr(path, '/') + 1;
	char dir[4096];
	BL_FD fd = -1;

	snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
	if (bl_fs_open_dir(dir, &fd, err))
		return -1;
	return bl_fs_replace(fd, name, text, len, 0600, err);
}

static int write_files(const struct assume *step, struct bl_err *err)
{
	BL_AUTO(bl_buf) line = BL_BUF(CONFIG_MAX), text = BL_BUF(CONFIG_MAX);
	const char *policy = step->how.session_policy;

	if (add_process(step, &line, err))
		return -1;
	bl_buf_addf(&text, "[profile " PROFILE "]\nregion = %s\ncredential_process = %s\n",
	            step->how.region, bl_buf_text(&line));
	if (bl_buf_check(&text, "profile", err) ||
	    (policy && put(step->policy, policy, strlen(policy), err)) ||
	    put(step->config, bl_buf_text(&text), text.len, err) || put(step->shared, "", 0, err))
		return -1;
	return 0;
}

/*
 * AWS's tools ask the environment's keys, a web identity and the shared credentials file before a
 * profile's credential_process: what a self-hosted runner may have there must not win, so the
 * first are emptied and the last is an empty file of ours.
 */
static int export_profile(const struct assume *step, struct bl_err *err)
{
	static const char *const ahead[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		                             "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE" };
	struct workflow_pair pairs[5 + BL_COUNT(ahead)] = {
		{ "AWS_CONFIG_FILE", step->config },
		{ "AWS_SHARED_CREDENTIALS_FILE", step->shared },
		{ "AWS_PROFILE", PROFILE },
		{ "AWS_REGION", step->how.region },
		{ "AWS_DEFAULT_REGION", step->how.region },
	};
	size_t n = 5;

	for (size_t i = 0; i < BL_COUNT(ahead); i++)
		if (set_variable(ahead[i])) {
			bl_log(BL_LOG_WARN,
			       "%s was set and would win over the role: it is emptied for "
			       "the steps that follow",
			       ahead[i]);
			pairs[n++] = (struct workflow_pair){ ahead[i], "" };
		}
	return workflow_write(WORKFLOW_ENV, pairs, n, err);
}

/* --- Variables -------------------------------------------------------------------------------- */

static int export_variables(const struct assume *step, const struct bl_credentials *creds,
                            struct bl_err *err)
{
	const char *secret = bl_secret_text(&creds->secret), *token = bl_secret_text(&creds->token);
	const struct workflow_pair pairs[] = {
		{ "AWS_ACCESS_KEY_ID", creds->access_key },
		{ "AWS_SECRET_ACCESS_KEY", secret },
		{ "AWS_SESSION_TOKEN", token },
		{ "AWS_REGION", step->how.region },
		{ "AWS_DEFAULT_REGION", step->how.region },
	};

	if (workflow_mask(creds->access_key, err) || workflow_mask(secret, err) ||
	    workflow_mask(token, err))
		return -1;
	return workflow_write(WORKFLOW_ENV, pairs, BL_COUNT(pairs), err);
}

/* Variables hold one session: no copy of it on disk. */
static int ask(const struct assume *step, struct bl_credentials *out, struct bl_err *err)
{
	return step->env ? identity_ask(&step->how, out, err)
	                 : held_get(step->cache, &step->how, out, err);
}

/* --- The step --------------------------------------------------------------------------------- */

static int make_dir(const char *path, struct bl_err *err)
{
	BL_FD fd = -1;
	mode_t old = umask(077);
	int rc = bl_fs_make_dir(path, &fd, err);

	umask(old);
	return rc;
}

static int tell(const struct assume *step, const struct bl_credentials *creds, struct bl_err *err)
{
	const struct workflow_pair pairs[] = {
		{ "account", creds->account[0] ? creds->account : step->account },
		{ "profile", step->env ? "" : PROFILE },
	};
	char until[BL_UTC_SIZE];

	bl_utc_text(creds->expires_wall_ms, until);
	if (step->env)
		bl_log(BL_LOG_INFO, "%s until %s; the variables do not renew themselves",
		       step->how.role_arn, until);
	else
		bl_log(BL_LOG_INFO, "%s in profile " PROFILE ", renewed as long as the job lasts",
		       step->how.role_arn);
	if (!set_variable("GITHUB_OUTPUT"))
		return 0;
	return workflow_write(WORKFLOW_OUTPUT, pairs, BL_COUNT(pairs), err);
}

int verb_assume_role(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_credentials) creds = { 0 };
	BL_AUTO(bl_buf) policy = BL_BUF(1);
	BL_AUTO(bl_args) args = { 0 };
	struct assume step = { 0 };
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	/* asked at once, so that a refusal fails this step and not a later one */
	if (choose(&opt, &policy, &step, err) || make_dir(step.dir, err) ||
	    ask(&step, &creds, err) ||
	    check_account(opt.accounts, creds.account[0] ? creds.account : step.account, err))
		return bl_wrap(err, "assume-role");
	if (step.env ? export_variables(&step, &creds, err)
	             : write_files(&step, err) || export_profile(&step, err))
		return bl_wrap(err, "assume-role");
	return tell(&step, &creds, err);
}
