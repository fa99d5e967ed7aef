/* SPDX-License-Identifier: Apache-2.0 */
#include "run/doctor_judge.h"

#include <string.h>

#define APPLY "apply the Terraform module again: its template has it right"

bool bl_doctor_tag_fits(const char *key)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_+=,.@:";
	static const char *const names[] = { ".", "..", "_index" };
	size_t len = strlen(key);

	for (size_t i = 0; i < BL_COUNT(names); i++)
		if (!strcmp(key, names[i]))
			return false;
	return len >= 1 && len <= 255 && strspn(key, chars) == len;
}

static void judge_metadata(const struct bl_ec2_template *found, struct bl_checks *out)
{
	struct bl_check *check;

	if (strcmp(found->metadata_tags, "enabled") != 0)
		check = bl_check_add(out, BL_CHECKUP_TEMPLATE_METADATA, BL_CHECK_FAIL,
		                     "tags in metadata are %s: an instance could not learn its run",
		                     found->metadata_tags[0] ? found->metadata_tags : "off");
	else if (strcmp(found->http_tokens, "required") != 0)
		check = bl_check_add(out, BL_CHECKUP_TEMPLATE_METADATA, BL_CHECK_FAIL,
		                     "HttpTokens is %s: version 1 would answer anybody",
		                     found->http_tokens[0] ? found->http_tokens : "not set");
	else if (!found->hop_limit)
		check = bl_check_add(out, BL_CHECKUP_TEMPLATE_METADATA, BL_CHECK_WARN,
		                     "the hop limit is not set: the machine image decides whether "
		                     "containers reach it");
	else if (found->hop_limit != 1)
		check = bl_check_add(out, BL_CHECKUP_TEMPLATE_METADATA, BL_CHECK_FAIL,
		                     "hop limit %lld: the training's container could take the "
		                     "instance's role",
		                     (long long)found->hop_limit);
	else {
		bl_check_add(out, BL_CHECKUP_TEMPLATE_METADATA, BL_CHECK_OK,
		             "version 2 only, hop limit 1, tags enabled");
		return;
	}
	bl_check_next(check, BL_EINPUT, "%s", APPLY);
}

static void judge_shutdown(const struct bl_ec2_template *found, struct bl_checks *out)
{
	struct bl_check *check;

	if (!strcmp(found->shutdown, "terminate")) {
		bl_check_add(out, BL_CHECKUP_TEMPLATE_SHUTDOWN, BL_CHECK_OK, "terminate");
		return;
	}
	check = bl_check_add(
		out, BL_CHECKUP_TEMPLATE_SHUTDOWN, BL_CHECK_FAIL,
		"%s: a box that powers itself off would stay, and its disk be paid for",
		found->shutdown[0] ? found->shutdown : "not set, which means stop");
	bl_check_next(check, BL_EINPUT, "%s", APPLY);
}

static void judge_tags(const struct bl_ec2_template *found, struct bl_checks *out)
{
	const char *first = NULL;
	struct bl_check *check;
	size_t n = 0;

	for (size_t i = 0; i < found->n_tags; i++) {
		if (bl_doctor_tag_fits(found->tags[i].key))
			continue;
		first = first ? first : found->tags[i].key;
		n++;
	}
	if (!first) {
		bl_check_add(out, BL_CHECKUP_TEMPLATE_TAGS, BL_CHECK_OK,
		             "%zu, all fit into instance metadata", found->n_tags);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_TEMPLATE_TAGS, BL_CHECK_FAIL,
	                     "%zu would fail every launch, as '%.128s'", n, first);
	bl_check_next(
		check, BL_EINPUT,
		"rename them in the module's `tags` and apply it: with tags in metadata a key "
		"has 1 to 255 of A-Z a-z 0-9 - _ + = , . @ : and is none of . .. _index");
}

static void judge_whole(const struct bl_stack_template *wanted, const struct bl_ec2_template *found,
                        struct bl_checks *out)
{
	struct bl_check *check;

	if (found->profile[0]) {
		bl_check_add(out, BL_CHECKUP_LAUNCH_TEMPLATE, BL_CHECK_OK,
		             "%s version %lld (%s), %zu types, %s", wanted->id,
		             (long long)wanted->version, wanted->arch, wanted->types->n,
		             found->image[0] ? found->image : "image not named");
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_LAUNCH_TEMPLATE, BL_CHECK_FAIL,
	                     "%s version %lld has no instance profile: a box would have no "
	                     "credentials",
	                     wanted->id, (long long)wanted->version);
	bl_check_next(check, BL_EINPUT, "%s", APPLY);
}

void bl_doctor_judge_template(const struct bl_stack_template *wanted,
                              const struct bl_ec2_template *found, struct bl_checks *out)
{
	judge_whole(wanted, found, out);
	judge_metadata(found, out);
	judge_shutdown(found, out);
	judge_tags(found, out);
}

void bl_check_template(struct bl_aws *aws, const struct bl_stack_template *wanted,
                       struct bl_checks *out)
{
	BL_AUTO(bl_ec2_template) got = { 0 };
	struct bl_err err = { 0 };
	struct bl_check *check;

	if (!bl_ec2_template_get(aws, wanted->id, wanted->version, &got, &err)) {
		bl_doctor_judge_template(wanted, &got, out);
		return;
	}
	if (err.code != BL_ENOENT) {
		bl_check_failed(out, BL_CHECKUP_LAUNCH_TEMPLATE, BL_CHECK_FAIL, &err);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_LAUNCH_TEMPLATE, BL_CHECK_FAIL,
	                     "%s version %lld does not exist, though the stack names it",
	                     wanted->id, (long long)wanted->version);
	bl_check_next(check, BL_EINPUT, "apply the Terraform module again: it writes both");
}
