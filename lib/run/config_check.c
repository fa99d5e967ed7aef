/* SPDX-License-Identifier: Apache-2.0 */
/* What no single key can tell: the command's form, what excludes what, the stack's ceilings. */
#include "base/str.h"
#include "run/config_parts.h"

#include <stdio.h>
#include <string.h>

static int clash(const struct bl_config *config, const char *name, struct bl_err *err,
                 const char *what)
{
	return bl_fail(err, BL_EINPUT, "%s: %s", bl_config_origin(config, name), what);
}

static int check_command(const struct bl_config *config, struct bl_err *err)
{
	const struct bl_value *command = bl_config_value(config, "command");
	bool has_parameters = bl_config_value(config, "hyperparameters")->n > 0;
	const char *as = bl_config_text(config, "hyperparameters_as");
	const char *launcher = bl_config_text(config, "launcher");

	if (command->type != BL_STRING)
		return 0;
	if (strcmp(launcher, "none") != 0) {
		clash(config, "launcher", err,
		      "launcher: torchrun and accelerate need a command that is a list");
		return bl_next(err, "write it as command: [python, train.py]");
	}
	if (!has_parameters || !strcmp(as, "none") || strstr(command->text, "\"$@\""))
		return 0;
	clash(config, "command", err,
	      "command: the hyperparameters would not reach this text: it does not say \"$@\"");
	return bl_next(err, "put \"$@\" where they belong, write the command as a list, or set "
	                    "hyperparameters_as: none");
}

static int check_image(const struct bl_config *config, struct bl_err *err)
{
	static const char *const others[] = { "image.requirements", "image.base" };

	if (!bl_config_has(config, "image.dockerfile"))
		return 0;
	for (size_t i = 0; i < BL_COUNT(others); i++)
		if (bl_config_has(config, others[i]))
			return bl_fail(err, BL_EINPUT,
			               "%s: %s: image.dockerfile (%s) excludes it: choose one",
			               bl_config_origin(config, others[i]), others[i],
			               bl_config_origin(config, "image.dockerfile"));
	return 0;
}

static int check_names(const struct bl_config *config, struct bl_err *err)
{
	const struct bl_value *env = bl_config_value(config, "env");
	const struct bl_value *secrets = bl_config_value(config, "secrets");
	char name[BL_CONFIG_NAME + 300];

	for (size_t i = 0; i < secrets->n; i++) {
		if (!bl_value_get(env, secrets->items[i]->key))
			continue;
		snprintf(name, sizeof(name), "secrets.%s", secrets->items[i]->key);
		return bl_fail(err, BL_EINPUT, "%s: %.80s: is in env, too: choose one",
		               bl_config_origin(config, name), name);
	}
	return 0;
}

static int check_channels(const struct bl_config *config, struct bl_err *err)
{
	for (size_t i = 0; i < bl_config_channels(config); i++) {
		struct bl_channel channel;
		char name[BL_CONFIG_NAME + 80];

		bl_config_channel(config, i, &channel);
		if (channel.uri || channel.local)
			continue;
		snprintf(name, sizeof(name), "data.%s", channel.name);
		return bl_fail(err, BL_EINPUT, "%s: %s: needs a uri or a local path",
		               bl_config_origin(config, name), name);
	}
	return 0;
}

int bl_config_check(const struct bl_config *config, struct bl_err *err)
{
	if (check_command(config, err) || check_image(config, err) || check_names(config, err) ||
	    check_channels(config, err))
		return -1;
	return 0;
}

/* --- Ceilings --------------------------------------------------------------------------------- */

static bool is_default(const struct bl_config *config, const char *name)
{
	return !strcmp(bl_config_origin(config, name), "default");
}

/* A default above the ceiling is nobody's wish: it gives way without a word. */
static int give_way(struct bl_config *config, const char *name, const struct bl_value *ceiling,
                    struct bl_err *err)
{
	static const struct bl_config_source source = { .name = "stack's ceiling" };
	const struct bl_config_key *key = bl_config_find(name);
	struct bl_config_setting setting = { .key = key, .source = source };
	int rc;

	if (bl_config_canonical(key, ceiling, &source, &setting.value, err))
		return -1;
	rc = bl_config_apply(config->tree, config->origins, &setting, err);
	bl_value_free(setting.value);
	return rc;
}

static int obey_cost(struct bl_config *config, const struct bl_value *ceilings, struct bl_err *err)
{
	const struct bl_value *most = bl_value_get(ceilings, "max_cost_usd");
	double wanted = bl_config_real(config, "max_cost_usd");

	if (!most || wanted <= most->real)
		return 0;
	if (is_default(config, "max_cost_usd"))
		return give_way(config, "max_cost_usd", most, err);
	return bl_fail(err, BL_EINPUT, "%s: max_cost_usd: %g is over the stack's ceiling of %g",
	               bl_config_origin(config, "max_cost_usd"), wanted, most->real);
}

static int obey_runtime(struct bl_config *config, const struct bl_value *ceilings,
                        struct bl_err *err)
{
	const struct bl_value *most = bl_value_get(ceilings, "max_runtime");
	int64_t ms;

	if (!most)
		return 0;
	if (bl_str_duration(most->text ? most->text : "", &ms, err))
		return bl_wrap(err, "the stack's ceiling of max_runtime");
	if (bl_config_duration_ms(config, "max_runtime") <= ms)
		return 0;
	if (is_default(config, "max_runtime"))
		return give_way(config, "max_runtime", most, err);
	return bl_fail(err, BL_EINPUT, "%s: max_runtime: %s is over the stack's ceiling of %s",
	               bl_config_origin(config, "max_runtime"),
	               bl_config_text(config, "max_runtime"), most->text);
}

/* Whether one of the list's globs allows it; "g6.*" is a family. */
static bool allows(const struct bl_value *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i]->text && bl_str_glob(list->items[i]->text, text))
			return true;
	return false;
}

static const char *listed(const struct bl_value *list, char text[160])
{
	size_t len = 0;

	snprintf(text, 160, "%s", list->n ? "" : "none");
	for (size_t i = 0; i < list->n && len < 120; i++)
		len += (size_t)snprintf(text + len, 160 - len, "%s%.30s", i ? ", " : "",
		                        list->items[i]->text ? list->items[i]->text : "?");
	return text;
}

static int obey_types(const struct bl_config *config, const struct bl_value *ceilings,
                      struct bl_err *err)
{
	const struct bl_value *allowed = bl_value_get(ceilings, "instance_types");
	const struct bl_value *wanted = bl_config_value(config, "instance_types");
	char text[160];

	for (size_t i = 0; allowed && i < wanted->n; i++)
		if (!allows(allowed, wanted->items[i]->text))
			return bl_fail(err, BL_EINPUT,
			               "%s: instance_types: %.64s is not among the stack's: %s",
			               bl_config_origin(config, "instance_types"),
			               wanted->items[i]->text, listed(allowed, text));
	return 0;
}

static int obey_secrets(const struct bl_config *config, const struct bl_value *ceilings,
                        struct bl_err *err)
{
	const struct bl_value *allowed = bl_value_get(ceilings, "secrets");
	const struct bl_value *wanted = bl_config_value(config, "secrets");

	for (size_t i = 0; allowed && i < wanted->n; i++) {
		char secret[256], name[BL_CONFIG_NAME + 300], text[160];

		snprintf(secret, sizeof(secret), "%.*s", (int)strcspn(wanted->items[i]->text, "#"),
		         wanted->items[i]->text);
		if (allows(allowed, secret))
			continue;
		snprintf(name, sizeof(name), "secrets.%s", wanted->items[i]->key);
		return bl_fail(err, BL_EINPUT, "%s: %.80s: %.64s is not among the stack's: %s",
		               bl_config_origin(config, name), name, secret, listed(allowed, text));
	}
	return 0;
}

int bl_config_obey(struct bl_config *config, const struct bl_value *ceilings, struct bl_err *err)
{
	if (!ceilings)
		return 0;
	if (obey_cost(config, ceilings, err) || obey_runtime(config, ceilings, err) ||
	    obey_types(config, ceilings, err) || obey_secrets(config, ceilings, err))
		return bl_next(err, "lower it, or have the stack's ceiling raised");
	return 0;
}
