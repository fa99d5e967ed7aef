/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs commands one after the other and says what each cost:
 *
 *   measure RUNS COMMAND... [+ COMMAND...]...
 *
 * Each command is run RUNS times, in turn with the others (A B C A B C ...), stdin from
 * and stdout to /dev/null. One line per run on stdout:
 * "command-number wall_us cpu_us max_rss_kib status", times with a fraction. Small and
 * static, since a child's peak RSS includes its parent's until it has called exec.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMMANDS_MAX = 16 };

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double us_of(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static int run_once(int number, char **command)
{
	posix_spawn_file_actions_t files;
	struct rusage use;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	double begin = now_us();
	int failed = posix_spawnp(&pid, command[0], &files, NULL, command, environ);
	if (failed || wait4(pid, &status, 0, &use) != pid) {
		fprintf(stderr, "measure: cannot run %s: %s\n", command[0], strerror(failed));
		return -1;
	}
	double wall = now_us() - begin;
	posix_spawn_file_actions_destroy(&files);
	printf("%d %.1f %.1f %ld %d\n", number, wall, us_of(use.ru_utime) + us_of(use.ru_stime),
	       use.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

int main(int argc, char **argv)
{
	char **commands[COMMANDS_MAX];
	int n = 0;
	unsigned long runs = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;

	for (int i = 2; i < argc; i++) {
		if (n < COMMANDS_MAX && (i == 2 || !strcmp(argv[i - 1], "+")))
			commands[n++] = argv + i;
	}
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], "+"))
			argv[i] = NULL;
	if (!runs || !n) {
		fputs("usage: measure RUNS COMMAND... [+ COMMAND...]...\n", stderr);
		return 2;
	}
	while (runs--)
		for (int i = 0; i < n; i++)
			if (run_once(i, commands[i]))
				return 1;
	return 0;
}
