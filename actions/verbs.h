/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_VERBS_H
#define BL_ACTIONS_VERBS_H

#include "base/err.h"

/*
 * One function per verb, each in a file of its own. argv[0] is the verb's name.
 * stdout is data, stderr is messages. Returns 0, or -1 with err, whose code
 * becomes the exit status; main prints it.
 */
int verb_assume_role(int argc, char **argv, struct bl_err *err);
int verb_baseline(int argc, char **argv, struct bl_err *err);
int verb_cancel(int argc, char **argv, struct bl_err *err);
int verb_check_data(int argc, char **argv, struct bl_err *err);
int verb_collect(int argc, char **argv, struct bl_err *err);
int verb_config(int argc, char **argv, struct bl_err *err);
int verb_credentials(int argc, char **argv, struct bl_err *err);
int verb_diff(int argc, char **argv, struct bl_err *err);
int verb_guard(int argc, char **argv, struct bl_err *err);
int verb_doctor(int argc, char **argv, struct bl_err *err);
int verb_launch(int argc, char **argv, struct bl_err *err);
int verb_local(int argc, char **argv, struct bl_err *err);
int verb_logs(int argc, char **argv, struct bl_err *err);
int verb_plan(int argc, char **argv, struct bl_err *err);
int verb_pull(int argc, char **argv, struct bl_err *err);
int verb_push_image(int argc, char **argv, struct bl_err *err);
int verb_report(int argc, char **argv, struct bl_err *err);
int verb_rm(int argc, char **argv, struct bl_err *err);
int verb_run(int argc, char **argv, struct bl_err *err);
int verb_runs(int argc, char **argv, struct bl_err *err);
int verb_status(int argc, char **argv, struct bl_err *err);
int verb_stop(int argc, char **argv, struct bl_err *err);
int verb_sync(int argc, char **argv, struct bl_err *err);
int verb_wait(int argc, char **argv, struct bl_err *err);
int verb_whoami(int argc, char **argv, struct bl_err *err);

#endif
