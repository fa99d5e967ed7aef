/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/json.h"
#include "runner/record.h"
#include "runner/roles.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#define DEFAULT_ROOT "/opt/ml"
#define CHANNELS_MAX 256
#define RESOURCES_PATH "input/config/resourceconfig.json"

static const char help[] =
	"branchline-runner exec -- python3 train.py --lr 0.001\n"
	"branchline-runner exec train\n"
	"\n"
	"Runs the training command: passes signals, reaps its orphans, captures its output, and\n"
	"writes how it ended to ROOT/output/branchline/exit.json.\n"
	"\n"
	"  -- COMMAND...  this command\n"
	"  train          the one of ROOT/input/config/branchline.json, else of\n"
	"                 /opt/branchline/exec.json (also without an argument)\n"
	"\n"
	"BRANCHLINE_ROOT names ROOT (default /opt/ml). TERM and INT stop the command within its\n"
	"grace, QUIT kills it at once, other signals are passed on.\n"
	"Exit: the command's code, 128+N when signal N ended it, 126 not executable, 127 not "
	"found,\n"
	"2 bad configuration.\n";

void exec_run_done(struct exec_run *run)
{
	exec_config_done(&run->config);
	command_done(&run->command);
	exec_env_done(&run->env);
	ring_done(&run->ring);
	oom_watch_done(&run->oom);
	for (size_t i = 0; i < run->n_termed; i++)
		bl_fd_done(&run->termed[i]);
	bl_fd_done(&run->root_fd);
	bl_fd_done(&run->record_dir);
	bl_fd_done(&run->signal_fd);
	bl_fd_done(&run->child.pidfd);
	bl_fd_done(&run->observe.pidfd);
	bl_fd_done(&run->wake_fd);
	bl_fd_done(&run->pipe_fd);
}

/* The tree of design 4.5. Without BRANCHLINE_ROOT and /opt/ml there is none, and no record. */
static int open_root(struct exec_run *run, struct bl_err *err)
{
	static const char *const stale[] = { "exit.json", "verdict.json", "error.json" };
	const char *named = getenv("BRANCHLINE_ROOT"),
		   *root = named && *named ? named : DEFAULT_ROOT;

	if (root[0] != '/' || strlen(root) >= sizeof(run->root))
		return bl_fail(err, BL_EINPUT, "BRANCHLINE_ROOT '%.64s' is not an absolute path",
		               root);
	snprintf(run->root, sizeof(run->root), "%s", root);
	if (root != named && access(root, F_OK))
		return 0;
	if (bl_fs_make_dir(root, &run->root_fd, err) ||
	    bl_fs_make_dir_beneath(run->root_fd, "output/branchline", &run->record_dir, err))
		return bl_next(err, "make %s writable, or name another tree in BRANCHLINE_ROOT",
		               root);
	for (size_t i = 0; i < BL_COUNT(stale); i++)
		unlinkat(run->record_dir, stale[i], 0);
	record_keep_room(run->record_dir);
	return 0;
}

static int build_command(struct exec_run *run, int argc, char **argv, struct bl_err *err)
{
	struct command_plan plan = {
		.command = run->config.command,
		.hyperparameters = run->config.hyperparameters,
		.style = run->config.style,
		.launcher = run->config.launcher,
		.gpus = run->config.gpus,
	};
	bool dashes = argc > 1 && !strcmp(argv[1], "--");

	if (dashes && argc > 2)
		return command_copy(argc - 2, argv + 2, &run->command, err);
	if (dashes)
		return bl_fail(err, BL_EINPUT, "there is no command after --");
	/* SageMaker starts a training image with the one argument `train` */
	if (argc > 1 && (argc > 2 || strcmp(argv[1], "train") != 0))
		return command_copy(argc - 1, argv + 1, &run->command, err);
	return command_build(&plan, &run->command, err);
}

struct channels {
	char *names[CHANNELS_MAX];
	size_t n;
};

static void channels_done(struct channels *channels)
{
	for (size_t i = 0; i < channels->n; i++)
		free(channels->names[i]);
}

static int take_channel(void *arg, int dir, const char *name, unsigned char type,
                        struct bl_err *err)
{
	struct channels *channels = arg;
	struct stat st;

	/* a link to a directory is a channel too */
	if (type != DT_DIR && (fstatat(dir, name, &st, 0) || !S_ISDIR(st.st_mode)))
		return 0;
	if (channels->n == CHANNELS_MAX)
		return bl_fail(err, BL_ELIMIT, "more than %d channels", CHANNELS_MAX);
	channels->names[channels->n] = strdup(name);
	if (!channels->names[channels->n])
		return bl_fail(err, BL_ENOMEM, "channels: out of memory");
	channels->n++;
	return 0;
}

/* Absence is fine: a tree need not have data. */
static int list_channels(const struct exec_run *run, struct channels *channels, struct bl_err *err)
{
	if (run->root_fd < 0 ||
	    !bl_fs_list(run->root_fd, "input/data", take_channel, channels, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int read_resources(const struct exec_run *run, struct bl_value **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(65536);

	if (run->root_fd < 0)
		return 0;
	if (bl_fs_read(run->root_fd, RESOURCES_PATH, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	return bl_json_parse(bl_buf_text(&bytes), bytes.len, RESOURCES_PATH, out, err);
}

static int build_environment(struct exec_run *run, struct bl_err *err)
{
	BL_AUTO(channels) channels = { .n = 0 };
	BL_VALUE resources = NULL;
	struct stat st;
	char random[17];

	if (bl_str_random(random, 16, err) || list_channels(run, &channels, err) ||
	    read_resources(run, &resources, err))
		return -1;
	snprintf(run->mark, sizeof(run->mark), EXEC_MARK_NAME "=%s", random);
	struct exec_env_facts facts = {
		.root = run->root,
		.channels = (const char *const *)channels.names,
		.n_channels = channels.n,
		.hyperparameters = run->config.hyperparameters,
		.env = run->config.env,
		.resources = resources,
		.gpus = run->config.gpus,
		.cpus = sysconf(_SC_NPROCESSORS_ONLN),
		.has_code = run->root_fd >= 0 && !fstatat(run->root_fd, "code", &st, 0) &&
		            S_ISDIR(st.st_mode),
		.mark = random,
	};
	return exec_env_build(&facts, environ, &run->env, err);
}

int exec_prepare(struct exec_run *run, int argc, char **argv, struct bl_err *err)
{
	if (open_root(run, err) || exec_config_read(run->root_fd, &run->config, err) ||
	    build_command(run, argc, argv, err) || build_environment(run, err) ||
	    ring_create(&run->ring, err))
		return -1;
	oom_watch_open(&run->oom);
	return 0;
}

/* Once signals are ours, all ends in exec_finish(), which writes the record. */
static int run_command(struct exec_run *run, int argc, char **argv)
{
	struct bl_err *err = &run->failed;

	if (exec_take_signals(run, err) || exec_prepare(run, argc, argv, err)) {
		run->exec_status = bl_exit_status(err->code);
		run->state = EXEC_DONE;
		return exec_finish(run);
	}
	exec_start_observe(run);
	exec_read_signals(run);
	BL_FAILPOINT("exec.spawn.before");
	if (run->state == EXEC_KILLING)
		return exec_finish(run); /* killed before there was a command */
	if (exec_start_command(run, err)) {
		if (!run->exec_status) /* not even tried */
			run->exec_status = bl_exit_status(err->code);
		exec_step_on(run, EV_SPAWN_FAILED);
	} else {
		BL_FAILPOINT("exec.spawn.after");
		exec_step_on(run, EV_SPAWNED);
		exec_loop(run);
	}
	return exec_finish(run);
}

int role_exec(int argc, char **argv)
{
	struct exec_run run = {
		.root_fd = -1,
		.record_dir = -1,
		.config = EXEC_CONFIG,
		.env = EXEC_ENV,
		.ring = RING,
		.oom = { .fd = -1 },
		.signal_fd = -1,
		.child = { .pidfd = -1 },
		.observe = { .pidfd = -1 },
		.wake_fd = -1,
		.pipe_fd = -1,
		.status = -1,
		.started_ms = bl_wall_ms(),
	};
	int code;

	if (argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		fputs(help, stdout);
		return 0;
	}
	code = run_command(&run, argc, argv);
	exec_run_done(&run);
	return code;
}
