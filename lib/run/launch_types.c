/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_types.h"

#include "base/str.h"
#include "run/launch_gpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void bl_wanted_of(const struct bl_config *config, struct bl_wanted *out)
{
	*out = (struct bl_wanted){
		.gpu = bl_config_text(config, "gpu"),
		.gpus = bl_config_int(config, "gpus"),
		.gpu_memory_gb = bl_config_int(config, "gpu_memory_gb"),
		.min_compute = bl_config_real(config, "min_compute"),
		.instance_types = bl_config_value(config, "instance_types"),
	};
}

/* --- What may be asked for -------------------------------------------------------------------- */

/* Whether one of the list's globs names it; no list allows everything. */
static bool allows(const struct bl_value *list, const char *type)
{
	if (!list || list->type != BL_LIST || !list->n)
		return true;
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i]->text && bl_str_glob(list->items[i]->text, type))
			return true;
	return false;
}

static void add_candidate(struct bl_candidates *out, const char *type, size_t template)
{
	for (size_t i = 0; i < out->n; i++)
		if (out->items[i].template == template && !strcmp(out->items[i].type, type))
			return;
	if (out->n == BL_LAUNCH_TYPES_MAX || strlen(type) >= BL_EC2_TYPE)
		return;
	snprintf(out->items[out->n].type, BL_EC2_TYPE, "%s", type);
	out->items[out->n++].template = template;
}

/* The types of one template, by the name that the template or, for a glob, the job gives. */
static void add_template(const struct bl_wanted *wanted, const struct bl_stack *stack, size_t at,
                         struct bl_candidates *out)
{
	const struct bl_value *own = stack->templates[at].types, *asked = wanted->instance_types;
	const struct bl_value *most = bl_value_get(stack->ceilings, "instance_types");

	for (size_t i = 0; own && i < own->n; i++) {
		const char *name = own->items[i]->text;

		if (name && !strpbrk(name, "*?[") && allows(asked, name) && allows(most, name))
			add_candidate(out, name, at);
		for (size_t k = 0; name && strpbrk(name, "*?[") && asked && k < asked->n; k++)
			if (asked->items[k]->text && bl_str_glob(name, asked->items[k]->text) &&
			    allows(most, asked->items[k]->text))
				add_candidate(out, asked->items[k]->text, at);
	}
}

static void list_types(const struct bl_value *list, struct bl_buf *out)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (list->items[i]->text)
			bl_buf_addf(out, "%s%s", out->len ? ", " : "", list->items[i]->text);
}

static int no_candidate(const struct bl_wanted *wanted, const struct bl_stack *stack,
                        struct bl_err *err)
{
	BL_AUTO(bl_buf) has = BL_BUF(2048), asked = BL_BUF(2048);

	for (size_t i = 0; i < stack->n_templates; i++)
		list_types(stack->templates[i].types, &has);
	list_types(wanted->instance_types, &asked);
	bl_fail(err, BL_EINPUT, "instance_types: none of %.120s is among the stack's: %.200s",
	        asked.len ? bl_buf_text(&asked) : "the stack's types",
	        has.len ? bl_buf_text(&has) : "none");
	return bl_next(err,
	               "ask for one of those, or have it added to a launch template of stack "
	               "'%.64s' and to its ceilings",
	               stack->name);
}

int bl_launch_candidates(const struct bl_wanted *wanted, const struct bl_stack *stack,
                         struct bl_candidates *out, struct bl_err *err)
{
	struct bl_candidates found = { 0 };

	for (size_t i = 0; i < stack->n_templates; i++)
		add_template(wanted, stack, i, &found);
	if (!found.n)
		return no_candidate(wanted, stack, err);
	*out = found;
	return 0;
}

/* --- What fits -------------------------------------------------------------------------------- */

static bool gpu_misfit(const struct bl_wanted *wanted, const struct bl_ec2_type *type, char why[96])
{
	double compute = bl_gpu_compute(type->gpu);

	if (type->gpus != wanted->gpus)
		snprintf(why, 96, "has %" PRId64 " GPU%s, not %" PRId64, type->gpus,
		         type->gpus == 1 ? "" : "s", wanted->gpus);
	else if (!wanted->gpus)
		return false;
	else if (strcmp(type->gpu_maker, "NVIDIA") != 0 && *type->gpu_maker)
		snprintf(why, 96, "its GPU is by %s: CUDA needs NVIDIA's", type->gpu_maker);
	else if (wanted->gpu && !bl_gpu_matches(wanted->gpu, type->gpu))
		snprintf(why, 96, "has %s, not %.30s", *type->gpu ? type->gpu : "another GPU",
		         wanted->gpu);
	else if (wanted->gpu_memory_gb && type->gpu_memory_mib < wanted->gpu_memory_gb * 953)
		/* makers count 10^9: an A10G of "24 GB" has 22888 MiB */
		snprintf(why, 96, "its GPU has %" PRId64 " GB of memory, not %" PRId64,
		         (type->gpu_memory_mib + 512) / 1024, wanted->gpu_memory_gb);
	else if (wanted->min_compute > 0 && compute > 0 && compute + 1e-9 < wanted->min_compute)
		snprintf(why, 96, "compute capability %.1f, not %.1f", compute,
		         wanted->min_compute);
	else if (wanted->min_compute > 0 && compute <= 0)
		snprintf(why, 96, "the compute capability of %s is not known", type->gpu);
	return *why;
}

bool bl_launch_misfit(const struct bl_wanted *wanted, const struct bl_ec2_type *type,
                      const struct bl_stack_template *template, char why[96])
{
	*why = '\0';
	if (*template->arch && *type->arch && strcmp(template->arch, type->arch) != 0)
		snprintf(why, 96, "is %s, its launch template %s", type->arch, template->arch);
	else if (wanted->arch && *wanted->arch && *type->arch &&
	         strcmp(wanted->arch, type->arch) != 0)
		snprintf(why, 96, "is %s, the image %s", type->arch, wanted->arch);
	else
		return gpu_misfit(wanted, type, why);
	return true;
}

static const struct bl_ec2_type *fact_of(const struct bl_ec2_type *facts, size_t n,
                                         const char *type)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(facts[i].name, type))
			return &facts[i];
	return NULL;
}

static int none_fits(const struct bl_wanted *wanted, const struct bl_buf *notes, struct bl_err *err)
{
	char asked[96] = "a machine without GPU";

	if (wanted->gpus)
		snprintf(asked, sizeof(asked), "%" PRId64 " %s%.30s", wanted->gpus,
		         wanted->gpu ? "" : "GPU", wanted->gpu ? wanted->gpu : "");
	bl_fail(err, BL_EINPUT, "no instance type of the stack fits %s: %.300s", asked,
	        bl_buf_text(notes));
	return bl_next(err, "change gpu, gpus, gpu_memory_gb or min_compute, or have a fitting "
	                    "type added to the stack");
}

int bl_launch_fits(const struct bl_wanted *wanted, const struct bl_stack *stack,
                   const struct bl_candidates *candidates, const struct bl_ec2_type *facts,
                   size_t n, struct bl_fits *out, struct bl_buf *notes, struct bl_err *err)
{
	struct bl_fits found = { 0 };
	char why[96];

	for (size_t i = 0; i < candidates->n; i++) {
		const struct bl_candidate *one = &candidates->items[i];
		const struct bl_ec2_type *fact = fact_of(facts, n, one->type);

		if (!fact)
			snprintf(why, sizeof(why), "is not known in this region");
		if (!fact ||
		    bl_launch_misfit(wanted, fact, &stack->templates[one->template], why)) {
			bl_buf_addf(notes, "%s%s %s", notes->len ? "; " : "", one->type, why);
			continue;
		}
		found.items[found.n++] = (struct bl_fit){ .type = *fact,
			                                  .compute = bl_gpu_compute(fact->gpu),
			                                  .template = one->template };
	}
	if (!found.n)
		return none_fits(wanted, notes, err);
	*out = found;
	return 0;
}
