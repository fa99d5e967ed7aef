/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_image.h"

#include "base/str.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What the config says --------------------------------------------------------------------- */

/* The value of NAME in the config's Env, NULL: not there. */
static const char *env_of(const struct bl_value *doc, const char *name)
{
	const struct bl_value *env = bl_value_path(doc, "config.Env");
	size_t len = strlen(name);

	for (size_t i = 0; env && env->type == BL_LIST && i < env->n; i++) {
		const char *text = env->items[i]->text;

		if (text && !strncmp(text, name, len) && text[len] == '=')
			return text + len + 1;
	}
	return NULL;
}

int bl_image_needs_read(const char *bytes, size_t len, struct bl_image_needs *out,
                        struct bl_err *err)
{
	const struct bl_value *label;
	struct bl_image_needs needs = { 0 };
	const char *cuda, *require, *off;
	BL_VALUE doc = NULL;

	if (bl_json_parse(bytes, len, "the image's config", &doc, err))
		return -1;
	label = bl_value_get(bl_value_path(doc, "config.Labels"), "branchline.cuda");
	cuda = env_of(doc, "CUDA_VERSION");
	if (!cuda && label)
		cuda = label->text;
	require = env_of(doc, "NVIDIA_REQUIRE_CUDA");
	off = env_of(doc, "NVIDIA_DISABLE_REQUIRE");
	snprintf(needs.arch, sizeof(needs.arch), "%s", bl_value_text_or(doc, "architecture", ""));
	snprintf(needs.cuda, sizeof(needs.cuda), "%s", cuda ? cuda : "");
	snprintf(needs.require, sizeof(needs.require), "%s", require ? require : "");
	needs.require_is_off = off && *off && strcmp(off, "0") != 0 && strcmp(off, "false") != 0;
	*out = needs;
	return 0;
}

const char *bl_image_ec2_arch(const char *oci_arch)
{
	return strcmp(oci_arch, "amd64") ? oci_arch : "x86_64";
}

/* --- Versions and conditions ------------------------------------------------------------------ */

/* "550.54.15" against "535": as far as the shorter goes. */
static int compare_versions(const char *a, const char *b)
{
	while (*a && *b) {
		char *a_end, *b_end;
		unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);

		if (x != y)
			return x < y ? -1 : 1;
		if (a_end == a || b_end == b)
			return 0;
		a = *a_end == '.' ? a_end + 1 : a_end;
		b = *b_end == '.' ? b_end + 1 : b_end;
	}
	return 0;
}

struct host {
	const char *driver, *cuda_max;
};

/* "cuda>=12.4", "driver<551", "brand=tesla". What is not known holds. */
static bool holds(const char *condition, const struct host *host)
{
	size_t name = strcspn(condition, "<>=!");
	const char *op = condition + name, *value = op + strspn(op, "<>=!"), *has;
	int order;

	if (!strncmp(condition, "cuda", name) && name == 4)
		has = host->cuda_max;
	else if (!strncmp(condition, "driver", name) && name == 6)
		has = host->driver;
	else if (!strncmp(condition, "brand", name) && name == 5)
		return !strcmp(value, "tesla") || !strcmp(value, "nvidia") ||
		       !strcmp(value, "grid");
	else
		return true;
	if (!*has)
		return true;
	order = compare_versions(has, value);
	if (op[0] == '>')
		return op[1] == '=' ? order >= 0 : order > 0;
	if (op[0] == '<')
		return op[1] == '=' ? order <= 0 : order < 0;
	return op[0] == '!' ? order != 0 : order == 0;
}

/* Cuts the next part off at one of `ends`; NULL: no more. */
static char *next_part(char **rest, const char *ends)
{
	char *part = *rest + strspn(*rest, ends);
	size_t len = strcspn(part, ends);

	if (!len)
		return NULL;
	*rest = part + len + (part[len] ? 1 : 0);
	part[len] = '\0';
	return part;
}

static bool all_hold(char *alternative, const struct host *host)
{
	char *condition;

	while ((condition = next_part(&alternative, ",")))
		if (!holds(condition, host))
			return false;
	return true;
}

static bool any_holds(const char *require, const struct host *host)
{
	char text[sizeof(((struct bl_image_needs *)0)->require)], *rest = text, *alternative;

	snprintf(text, sizeof(text), "%s", require);
	while ((alternative = next_part(&rest, " ")))
		if (all_hold(alternative, host))
			return true;
	return !*require;
}

bool bl_image_runs_on(const struct bl_image_needs *needs, const char *driver, const char *cuda_max,
                      char why[160])
{
	const struct host host = { .driver = driver, .cuda_max = cuda_max };

	*why = '\0';
	if (*needs->require && !needs->require_is_off) {
		if (any_holds(needs->require, &host))
			return true;
		snprintf(why, 160, "the image requires '%.48s%s', driver %.24s serves CUDA %.8s",
		         needs->require, strlen(needs->require) > 48 ? "..." : "", driver,
		         cuda_max);
		return false;
	}
	if (!*needs->cuda || !*cuda_max ||
	    strtoul(needs->cuda, NULL, 10) <= strtoul(cuda_max, NULL, 10))
		return true;
	snprintf(why, 160, "the image needs CUDA %.16s, driver %.24s serves CUDA %.8s", needs->cuda,
	         driver, cuda_max);
	return false;
}
