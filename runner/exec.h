/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_EXEC_H
#define BL_RUNNER_EXEC_H

#include "base/proc.h"
#include "runner/exec_config.h"
#include "runner/exec_env.h"
#include "runner/exec_oom.h"
#include "runner/exec_table.h"
#include "runner/ring.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

/*
 * exec, the parent of the training command (design 1 and 4.5). Everything it needs is made before
 * the spawn; after it nothing allocates, parses or writes to a disk until the command has ended.
 */
#define EXEC_TERMED_MAX 64
#define EXEC_STRAYS_MS 5000  /* what outlives the command, or SIGKILL, is given this long */
#define EXEC_OBSERVE_MS 5000 /* and observe, to drain the ring */
#define OBSERVE_RING_FD 3
#define OBSERVE_WAKE_FD 4
#define OBSERVE_DIR_FD 5

struct exec_run {
	/* made by exec_prepare() */
	char root[PATH_MAX];
	int root_fd;    /* -1: there is no tree, so no records either */
	int record_dir; /* root/output/branchline */
	struct exec_config config;
	struct command command;
	struct exec_env env;
	char mark[64]; /* "BRANCHLINE_EXEC_ID=..." */
	struct ring ring;
	struct oom_watch oom;

	/* made by exec_start() */
	int signal_fd;
	struct bl_child child, observe; /* pid 0: none */
	int wake_fd, pipe_fd;
	dev_t shell_dev; /* of the shell's program, to see whether it has become the command */
	ino_t shell_ino;

	/* kept by exec_loop() */
	enum exec_state state;
	bool reaped, observe_reaped;
	int status, observe_status;  /* as waitpid() gave them */
	int termed[EXEC_TERMED_MAX]; /* pidfds of a shell's children that were sent TERM */
	size_t n_termed;
	int64_t deadline_mono_ms, grow_mono_ms;
	int64_t started_ms, ended_ms, stop_delivered_ms; /* wall; 0: not yet */
	char stop_reason[32];
	int exec_status;      /* 126 or 127 when it could not be executed */
	struct bl_err failed; /* why it was not spawned */
};

void exec_run_done(struct exec_run *run);

/* exec.c: argv, configuration, directories, environment. argv[0] is "exec". */
BL_MUST int exec_prepare(struct exec_run *run, int argc, char **argv, struct bl_err *err);

/* exec_start.c. Signals are blocked from the first on; a failure of observe is only said. */
BL_MUST int exec_take_signals(struct exec_run *run, struct bl_err *err);
void exec_start_observe(struct exec_run *run);
BL_MUST int exec_start_command(struct exec_run *run, struct bl_err *err);

/* exec_signals.c: the thin ones that act. */
void exec_deliver_stop(struct exec_run *run);
void exec_forward(struct exec_run *run, int signum);
void exec_kill_all(struct exec_run *run);
bool exec_has_strays(const struct exec_run *run);

/* exec_loop.c: from the spawn to the end of all that came of it. */
void exec_loop(struct exec_run *run);
/* Also before the spawn: what was signalled meanwhile. */
void exec_read_signals(struct exec_run *run);
void exec_step_on(struct exec_run *run, enum exec_event ev);
/* Takes the status of all who have ended. */
void exec_reap(struct exec_run *run);
/* Lets observe see what is in the ring. */
void exec_wake(struct exec_run *run);

/* exec_end.c: the rest of the ring, exit.json; returns the exit status. */
int exec_finish(struct exec_run *run);
/* Pure: exit.json. */
BL_MUST int exec_record_write(const struct exec_run *run, int64_t oom_kills, uint64_t captured,
                              uint64_t dropped, struct bl_buf *out, struct bl_err *err);
int exec_code(const struct exec_run *run);

#endif
