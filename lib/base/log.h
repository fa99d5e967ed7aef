/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_LOG_H
#define BL_BASE_LOG_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Messages for people, on stderr. lib/ itself logs at debug only; programs speak.
 *
 *   human   branchline: text           colour as the terminal allows
 *   github  ::error title=T::text      %, CR and LF escaped; RUNNER_DEBUG=1 shows debug
 *   json    {"at":"...","level":"warn","program":"...","text":"...","next":"..."}
 */
enum bl_log_format { BL_LOG_HUMAN, BL_LOG_GITHUB, BL_LOG_JSON };
enum bl_log_level { BL_LOG_DEBUG, BL_LOG_INFO, BL_LOG_WARN, BL_LOG_ERROR };

/*
 * program  shown in front of a message; static storage
 * Chooses the format from the environment: BRANCHLINE_LOG=human|github|json, else github
 * where GITHUB_ACTIONS=true, else human; debug when BRANCHLINE_DEBUG or RUNNER_DEBUG is 1.
 */
void bl_log_init(const char *program);
/* What `title=` says in the github format: static storage; default, the program's name. */
void bl_log_title(const char *title);
void bl_log_set(enum bl_log_format format, enum bl_log_level lowest);
enum bl_log_format bl_log_format(void);

void bl_log(enum bl_log_level level, const char *fmt, ...) BL_PRINTF(2);

/* One line: what failed, why, what next. */
void bl_log_err(enum bl_log_level level, const struct bl_err *err);

/*
 * Text from outside, made fit for a line of a terminal: it can hold anything, and controls are
 * shown, never obeyed. Those past 0x7f too (U+009B is a terminal's CSI), and bytes that are no
 * text.
 */
void bl_log_add_text(struct bl_buf *line, const char *text);

/* Colour wanted on this stream: NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, GITHUB_ACTIONS, TERM=dumb, a
 * TTY. */
bool bl_log_colour(int fd);

#endif
