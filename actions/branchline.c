/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/verbs.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct verb {
	const char *name;
	int (*run)(int argc, char **argv, struct bl_err *err);
	const char *help;
};

static const struct verb verbs[] = {
	{ "config", verb_config, "print the resolved configuration, and where each value came from" },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < BL_COUNT(verbs); i++)
		if (verbs[i].run && !strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int usage(FILE *to)
{
	fputs("branchline " BL_VERSION "\n", to);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb = find_verb(name);
	struct bl_err err = { 0 };

	bl_log_init("branchline");
	if (!verb)
		return usage(!strcmp(name, "--help") || !strcmp(name, "-h") ? stdout : stderr);
	if (verb->run(argc - 1, argv + 1, &err))
		bl_log_err(BL_LOG_ERROR, &err);
	return bl_exit_status(err.code);
}
