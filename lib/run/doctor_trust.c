/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a role's trust policy names the subjects that a repository's tokens will have. */
#include "base/str.h"
#include "run/doctor_judge.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define SUBS_MAX 4
struct sub {
	char text[512];
	size_t context; /* index: both forms of one context are one wish */
	bool is_trusted;
};
struct subs {
	struct sub items[SUBS_MAX];
	size_t n, n_contexts;
};

/* --- What tokens will say --------------------------------------------------------------------- */

static struct sub *next_sub(struct subs *subs)
{
	struct sub *sub = &subs->items[subs->n++];

	sub->context = subs->n_contexts;
	return sub;
}

/* GitHub writes ':' inside of a value as %3A. */
static void add_context(struct subs *subs, const struct bl_trust_wanted *wanted, const char *kind,
                        const char *value)
{
	int owner = (int)strcspn(wanted->repository, "/");
	const char *name = wanted->repository + owner;
	BL_AUTO(bl_buf) context = BL_BUF(256);

	bl_buf_adds(&context, kind);
	for (; *value; value++)
		if (*value == ':')
			bl_buf_adds(&context, "%3A");
		else
			bl_buf_addc(&context, *value);
	snprintf(next_sub(subs)->text, sizeof(subs->items[0].text), "repo:%s:%s",
	         wanted->repository, bl_buf_text(&context));
	if (wanted->repository_id && wanted->owner_id && *name)
		snprintf(next_sub(subs)->text, sizeof(subs->items[0].text),
		         "repo:%.*s@%lld/%s@%lld:%s", owner, wanted->repository,
		         (long long)wanted->owner_id, name + 1, (long long)wanted->repository_id,
		         bl_buf_text(&context));
	subs->n_contexts++;
}

/* --- What the policy says --------------------------------------------------------------------- */

struct policy {
	struct subs *subs;
	size_t n_values; /* of conditions on sub */
	bool open;       /* a statement has none: any repository on GitHub fits */
	char wildcard[160];
};

static void take_value(struct policy *policy, const char *value, bool like)
{
	bool wild = like && value[strcspn(value, "*?")];

	policy->n_values++;
	if (wild && !policy->wildcard[0])
		snprintf(policy->wildcard, sizeof(policy->wildcard), "%s", value);
	for (size_t i = 0; i < policy->subs->n; i++) {
		struct sub *sub = &policy->subs->items[i];

		/* IAM's patterns are these, and '/' is a character as others */
		if (wild ? !fnmatch(value, sub->text, FNM_NOESCAPE) : !strcmp(sub->text, value))
			sub->is_trusted = true;
	}
}

static void take_values(struct policy *policy, const struct bl_value *values, bool like)
{
	if (values->type == BL_STRING)
		take_value(policy, values->text, like);
	for (size_t i = 0; values->type == BL_LIST && i < values->n; i++)
		if (values->items[i]->type == BL_STRING)
			take_value(policy, values->items[i]->text, like);
}

static void take_condition(struct policy *policy, const struct bl_value *condition)
{
	for (size_t i = 0; condition && condition->type == BL_MAP && i < condition->n; i++) {
		const struct bl_value *keys = condition->items[i];
		bool like = bl_str_ends(keys->key, "StringLike");

		/* also "ForAnyValue:StringEquals": of one value it is the same */
		if (keys->type != BL_MAP || !(like || bl_str_ends(keys->key, "StringEquals")))
			continue;
		for (size_t j = 0; j < keys->n; j++)
			if (bl_str_ends(keys->items[j]->key, ":sub"))
				take_values(policy, keys->items[j], like);
	}
}

static bool allows_web_identity(const struct bl_value *statement)
{
	static const char action[] = "sts:AssumeRoleWithWebIdentity";
	const struct bl_value *actions = bl_value_get(statement, "Action");

	if (strcmp(bl_value_text_or(statement, "Effect", ""), "Allow") != 0 || !actions)
		return false;
	if (actions->type == BL_STRING)
		return !strcmp(actions->text, action);
	for (size_t i = 0; i < actions->n; i++)
		if (actions->items[i]->text && !strcmp(actions->items[i]->text, action))
			return true;
	return false;
}

static void take_statement(struct policy *policy, const struct bl_value *statement)
{
	size_t before = policy->n_values;

	if (!allows_web_identity(statement))
		return;
	take_condition(policy, bl_value_get(statement, "Condition"));
	if (policy->n_values == before)
		policy->open = true;
}

static void take_policy(struct policy *policy, const struct bl_value *document)
{
	const struct bl_value *statements = bl_value_get(document, "Statement");

	if (statements && statements->type == BL_MAP)
		take_statement(policy, statements);
	for (size_t i = 0; statements && statements->type == BL_LIST && i < statements->n; i++)
		take_statement(policy, statements->items[i]);
}

/* --- Judgement -------------------------------------------------------------------------------- */

/* Contexts of which no form is trusted; missing: every form that is not. */
static size_t refused(const struct subs *subs, struct bl_buf *missing)
{
	size_t n = 0;

	for (size_t context = 0; context < subs->n_contexts; context++) {
		bool any = false;

		for (size_t i = 0; i < subs->n; i++) {
			const struct sub *sub = &subs->items[i];

			any = any || (sub->context == context && sub->is_trusted);
			if (sub->context == context && !sub->is_trusted)
				bl_buf_addf(missing, "%s%s", missing->len ? ", " : "", sub->text);
		}
		n += !any;
	}
	return n;
}

static void judge(const char *role, const struct policy *policy, const char *repository,
                  struct bl_checks *out)
{
	BL_AUTO(bl_buf) missing = BL_BUF(400);
	size_t n = refused(policy->subs, &missing);
	struct bl_check *check;

	if (policy->open) {
		check = bl_check_add(out, BL_CHECKUP_TRUST, BL_CHECK_FAIL,
		                     "%s has a statement without sub: any repository may assume it",
		                     role);
		bl_check_next(check, BL_EDENIED, "condition it: StringEquals on sub: %s",
		              policy->subs->items[0].text);
	} else if (policy->wildcard[0] && !n) {
		check = bl_check_add(out, BL_CHECKUP_TRUST, BL_CHECK_WARN,
		                     "%s trusts the pattern %s", role, policy->wildcard);
		bl_check_next(check, BL_EDENIED,
		              "list exact subs instead (StringEquals): a pattern lets in branches "
		              "and repositories that nobody thought of");
	} else if (missing.len || missing.failed) {
		check = bl_check_add(out, BL_CHECKUP_TRUST, n ? BL_CHECK_FAIL : BL_CHECK_WARN,
		                     n ? "%s does not trust all that %s will ask with"
		                       : "%s trusts one form only of what %s may ask with",
		                     role, repository);
		bl_check_next(check, BL_EDENIED,
		              "list in its trust policy (StringEquals on sub): %s",
		              bl_buf_text(&missing));
	} else {
		bl_check_add(
			out, BL_CHECKUP_TRUST, BL_CHECK_OK, "%s trusts %s, in %s", role, repository,
			policy->subs->n > policy->subs->n_contexts ? "both forms of sub"
								   : "the classic form of sub");
	}
}

void bl_doctor_judge_trust(const char *role, const struct bl_value *document,
                           const struct bl_trust_wanted *wanted, struct bl_checks *out)
{
	struct subs subs = { .n = 0 };
	struct policy policy = { .subs = &subs };

	if (wanted->environment && *wanted->environment) {
		add_context(&subs, wanted, "environment:", wanted->environment);
	} else {
		add_context(&subs, wanted, "pull_request", "");
		add_context(&subs, wanted, "ref:refs/heads/", wanted->branch);
	}
	take_policy(&policy, document);
	judge(role, &policy, wanted->repository, out);
}
