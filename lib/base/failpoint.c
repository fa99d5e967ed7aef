/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#ifdef BL_TESTING
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct bl_failpoint __start_bl_failpoints[] __attribute__((weak));
extern const struct bl_failpoint __stop_bl_failpoints[] __attribute__((weak));

#define PASSES_MAX 32

/* How often each armed name was passed in this process; the list in the environment is short. */
static struct {
	char name[64];
	unsigned passes;
} seen[PASSES_MAX];

static unsigned pass_of(const char *name)
{
	for (size_t i = 0; i < PASSES_MAX; i++) {
		if (!seen[i].name[0])
			snprintf(seen[i].name, sizeof(seen[i].name), "%s", name);
		if (!strcmp(seen[i].name, name))
			return ++seen[i].passes;
	}
	return 0;
}

static int act(const char *action)
{
	if (!strncmp(action, "kill", 4))
		kill(getpid(), SIGKILL);
	else if (!strncmp(action, "stop", 4))
		raise(SIGSTOP);
	else if (!strncmp(action, "ENOSPC", 6))
		return ENOSPC;
	else if (!strncmp(action, "EIO", 3))
		return EIO;
	return 0;
}

int bl_failpoint_hit(const char *name)
{
	const char *armed = getenv("BRANCHLINE_FAILPOINT");
	size_t len = strlen(name);

	while (armed && *armed) {
		const char *end = strchr(armed, ',');
		size_t entry = end ? (size_t)(end - armed) : strlen(armed);
		const char *at = memchr(armed, '@', entry);

		if (entry > len && !strncmp(armed, name, len) && armed[len] == '=') {
			unsigned pass = pass_of(name);

			if (!at || pass == strtoul(at + 1, NULL, 10))
				return act(armed + len + 1);
		}
		armed += entry + (end ? 1 : 0);
	}
	return 0;
}

void bl_failpoint_list(void)
{
	const char *last = "";

	for (const struct bl_failpoint *p = __start_bl_failpoints; p < __stop_bl_failpoints; p++) {
		if (strcmp(p->name, last) != 0)
			puts(p->name);
		last = p->name;
	}
}
#endif
