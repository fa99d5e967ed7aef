/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stack.h"

#include "aws/ssm.h"
#include "base/str.h"
#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WHAT "stack descriptor"
#define SCHEMA 1
#define DESCRIPTOR_MAX ((size_t)16 << 10) /* SSM: 4 KB, advanced 8 KB */
#define NAME_MAX_LEN 64

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define ZONE_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

void bl_stack_done(struct bl_stack *stack)
{
	bl_value_free(stack->doc);
	*stack = (struct bl_stack){ 0 };
}

/* --- Members ---------------------------------------------------------------------------------- */

/* What is shown and sent: no control characters, whoever wrote them. */
static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* fallback NULL: it must be there. */
static int take_text(const struct bl_value *map, const char *path, const char *fallback,
                     const char **out, struct bl_err *err)
{
	const struct bl_value *member = bl_value_path(map, path);

	*out = fallback;
	if (fallback && (!member || member->type == BL_NULL))
		return 0;
	if (bl_value_text(map, path, out, err))
		return -1;
	if (!fallback && !**out)
		return bl_fail(err, BL_ECORRUPT, "%s: is empty", path);
	if (!is_clean(*out))
		return bl_fail(err, BL_ECORRUPT, "%s: has control characters", path);
	return 0;
}

/* "lt-0123456789abcdef0", "us-east-1a": of these characters, below `size`. */
static int take_word(const struct bl_value *map, const char *path, const char *prefix,
                     const char *chars, size_t size, const char **out, struct bl_err *err)
{
	const char *rest;

	if (take_text(map, path, NULL, out, err))
		return -1;
	if (!bl_str_starts(*out, prefix) || strlen(*out) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s: '%.64s' is none", path, *out);
	rest = *out + strlen(prefix);
	if (!*rest || rest[strspn(rest, chars)])
		return bl_fail(err, BL_ECORRUPT, "%s: '%.64s' is none", path, *out);
	return 0;
}

/* Only texts, each of fewer than `size` bytes. */
static int check_texts(const struct bl_value *list, const char *name, size_t size,
                       struct bl_err *err)
{
	if (list->type != BL_LIST)
		return bl_fail(err, BL_ECORRUPT, "%s: expected a list", name);
	for (size_t i = 0; i < list->n; i++) {
		const struct bl_value *item = list->items[i];

		if (item->type != BL_STRING || !*item->text || strlen(item->text) >= size ||
		    !is_clean(item->text))
			return bl_fail(err, BL_ECORRUPT,
			               "%s: item %zu is no text of 1 to %zu bytes", name, i,
			               size - 1);
	}
	return 0;
}

static double number_or_nan(const struct bl_value *root, const char *path)
{
	double number = bl_value_real_or(root, path, NAN);

	return number >= 0 && isfinite(number) ? number : NAN;
}

/* --- Lists ------------------------------------------------------------------------------------ */

static int take_list(const struct bl_value *root, const char *name, size_t max,
                     const struct bl_value **out, struct bl_err *err)
{
	*out = bl_value_get(root, name);
	if (!*out || (*out)->type != BL_LIST || !(*out)->n)
		return bl_fail(err, BL_ECORRUPT, "%s: expected a list of at least one", name);
	if ((*out)->n > max)
		return bl_fail(err, BL_ECORRUPT, "%s: has %zu, more than %zu", name, (*out)->n,
		               max);
	return 0;
}

static int take_template(const struct bl_value *map, struct bl_stack_template *out,
                         struct bl_err *err)
{
	if (take_word(map, "id", "lt-", "0123456789abcdef", 32, &out->id, err) ||
	    bl_value_int(map, "version", &out->version, err) ||
	    take_text(map, "arch", "x86_64", &out->arch, err) ||
	    take_text(map, "driver", "", &out->driver, err) ||
	    take_text(map, "cuda_max", "", &out->cuda_max, err))
		return -1;
	/* never $Latest: a launch would not know what it buys */
	if (out->version < 1)
		return bl_fail(err, BL_ECORRUPT, "version: expected a number from 1");
	if (strcmp(out->arch, "x86_64") != 0 && strcmp(out->arch, "arm64") != 0)
		return bl_fail(err, BL_ECORRUPT, "arch: '%.32s' is neither x86_64 nor arm64",
		               out->arch);
	out->types = bl_value_get(map, "types");
	if (!out->types || !out->types->n)
		return bl_fail(err, BL_ECORRUPT, "types: expected a list of at least one");
	return check_texts(out->types, "types", 32, err);
}

static int take_templates(const struct bl_value *root, struct bl_stack *out, struct bl_err *err)
{
	const struct bl_value *list;

	if (take_list(root, "templates", BL_STACK_TEMPLATES_MAX, &list, err))
		return -1;
	for (; out->n_templates < list->n; out->n_templates++)
		if (take_template(list->items[out->n_templates], &out->templates[out->n_templates],
		                  err))
			return bl_wrap(err, "templates, item %zu", out->n_templates);
	return 0;
}

static int take_subnets(const struct bl_value *root, struct bl_stack *out, struct bl_err *err)
{
	const struct bl_value *list;

	if (take_list(root, "subnets", BL_STACK_SUBNETS_MAX, &list, err))
		return -1;
	for (; out->n_subnets < list->n; out->n_subnets++) {
		struct bl_stack_subnet *subnet = &out->subnets[out->n_subnets];

		if (take_word(list->items[out->n_subnets], "id", "subnet-", "0123456789abcdef", 32,
		              &subnet->id, err) ||
		    take_word(list->items[out->n_subnets], "zone", "", ZONE_CHARS, 24,
		              &subnet->zone, err))
			return bl_wrap(err, "subnets, item %zu", out->n_subnets);
	}
	return 0;
}

/* --- Ceilings and money ----------------------------------------------------------------------- */

static int check_ceilings(const struct bl_value *ceilings, struct bl_err *err)
{
	static const char *const lists[] = { "instance_types", "secrets" };
	const struct bl_value *cost = bl_value_get(ceilings, "max_cost_usd");
	const struct bl_value *runtime = bl_value_get(ceilings, "max_runtime");
	const struct bl_value *live = bl_value_get(ceilings, "live");
	int64_t ms;

	if (ceilings->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "expected a map");
	if (cost && ((cost->type != BL_INT && cost->type != BL_REAL) || !(cost->real >= 0)))
		return bl_fail(err, BL_ECORRUPT, "max_cost_usd: expected a number from 0");
	if (live && (live->type != BL_INT || live->integer < 0))
		return bl_fail(err, BL_ECORRUPT, "live: expected a whole number from 0");
	if (runtime && runtime->type != BL_STRING)
		return bl_fail(err, BL_ECORRUPT, "max_runtime: expected a text as 24h");
	if (runtime && bl_str_duration(runtime->text, &ms, err))
		return bl_recode(err, BL_ECORRUPT);
	for (size_t i = 0; i < BL_COUNT(lists); i++) {
		const struct bl_value *list = bl_value_get(ceilings, lists[i]);

		if (list && check_texts(list, lists[i], 512, err))
			return -1;
	}
	return 0;
}

static int take_limits(const struct bl_value *root, struct bl_stack *out, struct bl_err *err)
{
	const struct bl_value *ceilings = bl_value_get(root, "ceilings");

	if (ceilings && ceilings->type != BL_NULL) {
		if (check_ceilings(ceilings, err))
			return bl_wrap(err, "ceilings");
		out->ceilings = ceilings;
		out->live_max = bl_value_int_or(ceilings, "live", 0);
	}
	out->budget_usd = number_or_nan(root, "budget.limit_usd");
	out->disk_usd_gb_month = number_or_nan(root, "disk_usd_gb_month");
	return take_text(root, "budget.name", "", &out->budget_name, err);
}

/* --- The whole -------------------------------------------------------------------------------- */

static int take_names(const struct bl_value *root, struct bl_stack *out, struct bl_err *err)
{
	if (take_word(root, "stack", "", NAME_CHARS, NAME_MAX_LEN + 1, &out->name, err) ||
	    take_word(root, "region", "", ZONE_CHARS, BL_REGION_SIZE, &out->region, err) ||
	    take_word(root, "account", "", "0123456789", 13, &out->account, err) ||
	    take_text(root, "store", NULL, &out->store, err) ||
	    take_text(root, "image_repository", "", &out->image_repository, err) ||
	    take_text(root, "image_base", "", &out->image_base, err) ||
	    take_text(root, "log_group", "", &out->log_group, err) ||
	    take_text(root, "roles.launch", "", &out->launch_role, err) ||
	    take_text(root, "roles.build", "", &out->build_role, err) ||
	    take_text(root, "roles.watch", "", &out->watch_role, err) ||
	    take_text(root, "roles.instance_profile", "", &out->instance_profile, err))
		return -1;
	if (strlen(out->account) != 12)
		return bl_fail(err, BL_ECORRUPT, "account: '%s' has not 12 digits", out->account);
	return 0;
}

static int take_all(const struct bl_value *root, struct bl_stack *out, struct bl_err *err)
{
	int64_t schema;

	if (bl_value_int(root, "schema", &schema, err))
		return -1;
	if (schema > SCHEMA) {
		bl_fail(err, BL_EINPUT, "is of schema %lld, newer than this program",
		        (long long)schema);
		return bl_next(err, "use a newer branchline: the release that the stack was made "
		                    "with, or later");
	}
	if (schema < 1)
		return bl_fail(err, BL_ECORRUPT, "schema: expected a number from 1");
	return take_names(root, out, err) || take_templates(root, out, err) ||
	                       take_subnets(root, out, err) || take_limits(root, out, err)
	               ? -1
	               : 0;
}

static int parse(const char *bytes, size_t len, struct bl_stack *out, struct bl_err *err)
{
	BL_AUTO(bl_stack) got = { 0 };

	if (bl_json_parse(bytes, len, WHAT, &got.doc, err))
		return -1;
	if (take_all(got.doc, &got, err))
		return bl_wrap(err, WHAT);
	*out = got;
	got = (struct bl_stack){ 0 };
	return 0;
}

int bl_stack_parse(const char *bytes, size_t len, struct bl_stack *out, struct bl_err *err)
{
	if (!parse(bytes, len, out, err))
		return 0;
	if (err->code == BL_ECORRUPT)
		bl_next(err, "apply the Terraform module again: it writes the descriptor whole");
	return -1;
}

int bl_stack_read(struct bl_aws *aws, const char *name, struct bl_stack *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) value = BL_BUF(DESCRIPTOR_MAX);
	BL_AUTO(bl_stack) got = { 0 };
	char parameter[NAME_MAX_LEN + 16];

	if (!*name || strlen(name) > NAME_MAX_LEN || name[strspn(name, NAME_CHARS)]) {
		bl_fail(err, BL_EINPUT, "stack: '%.80s' is no name of a stack", name);
		return bl_next(err, "use 1 to 64 of a-z A-Z 0-9 . _ -, as branchline");
	}
	snprintf(parameter, sizeof(parameter), "/branchline/%s", name);
	if (bl_ssm_parameter(aws, parameter, &value, err)) {
		if (err->code == BL_ENOENT)
			bl_next(err,
			        "apply the Terraform module in %s, or name what is there: `stack` "
			        "and "
			        "`region` in branchline.yaml, AWS_REGION",
			        bl_aws_region(aws));
		return bl_wrap(err, "stack %s: parameter %s in %s", name, parameter,
		               bl_aws_region(aws));
	}
	if (bl_stack_parse(bl_buf_text(&value), value.len, &got, err))
		return bl_wrap(err, "parameter %s in %s", parameter, bl_aws_region(aws));
	*out = got;
	got = (struct bl_stack){ 0 };
	return 0;
}
