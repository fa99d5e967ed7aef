/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "base/log.h"
#include "base/version.h"
#include "runner/roles.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} roles[] = {
	{ "exec", role_exec,
	  "runs a command as its parent: signals, zombies, output, exit record" },
	{ "host", role_host, "supervises one attempt of a run" },
	{ "observe", role_observe, "exec's helper: log, metrics, cause of failure" },
	{ "ship", role_ship, "host's helper: everything that can block" },
};

static int usage(FILE *to)
{
	fputs("branchline-runner exec -- python3 train.py\n\n"
	      "The supervisor of a training run. `branchline local` starts it; in an image `exec` "
	      "is\n"
	      "the entry point.\n\n",
	      to);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		fprintf(to, "  %-8s %s\n", roles[i].name, roles[i].help);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	bl_log_init("branchline-runner");
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(roles[i].name, name))
			return roles[i].run(argc - 1, argv + 1);
	if (!strcmp(name, "--version")) {
		puts("branchline-runner " BL_VERSION " (" BL_BUILD ")");
		return 0;
	}
#ifdef BL_TESTING
	if (!strcmp(name, "failpoints")) {
		bl_failpoint_list();
		return 0;
	}
#endif
	return usage(!strcmp(name, "--help") || !strcmp(name, "-h") ? stdout : stderr);
}
