/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_ERR_H
#define BL_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define BL_MUST __attribute__((warn_unused_result))
#define BL_PRINTF(n) __attribute__((format(printf, n, n + 1)))
#define BL_VPRINTF(n) __attribute__((format(printf, n, 0)))
#define BL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* BL_AUTO(bl_buf) b = ...; calls bl_buf_done(&b) when b leaves its scope. */
#define BL_AUTO(t) __attribute__((cleanup(t##_done))) struct t

/*
 * What kind of failure it is. Callers branch on the code, never on the text.
 * bl_exit_status() turns it into the exit status that design 4.10 names.
 */
enum bl_code {
	BL_OK,
	BL_EINPUT,    /* usage or configuration */
	BL_EDATA,     /* the training data is not what was promised */
	BL_EBUSY,     /* somebody else holds it */
	BL_EEXIST,    /* already there: lost a create */
	BL_ENOENT,    /* not there */
	BL_EDENIED,   /* may not */
	BL_ECAPACITY, /* no capacity or quota */
	BL_ECORRUPT,  /* bytes are there but wrong: checksum, schema, torn */
	BL_ENOSPC,    /* disk or quota of disk full */
	BL_EIO,       /* the system refused */
	BL_ELIMIT,    /* a bound of ours was reached */
	BL_ETIMEOUT,  /* a deadline of ours passed */
	BL_ERETRY,    /* may work later; safe to repeat */
	BL_ENOMEM,
	BL_ETRAIN,       /* the training itself failed */
	BL_ECANCELLED,   /* somebody asked to stop */
	BL_EDEADLINE,    /* max_runtime or max_cost_usd reached */
	BL_EINTERRUPTED, /* lost its box; may be resumed */
	BL_EBUG,         /* our own fault */
};

#define BL_NEXT_SIZE 512

/*
 * A failure, kept by the caller: zero-initialise it, pass it last, never NULL.
 * Functions return 0, or -1 and fill it. The first failure wins; outer layers
 * prepend what they were doing with bl_wrap(). A failure that was an answer is
 * cleared, so that 0 always means a clean err.
 */
struct bl_err {
	enum bl_code code;
	char text[512];          /* what failed and why, outermost context first */
	char next[BL_NEXT_SIZE]; /* what the reader can do; may be empty */
};

/* Keeps the first failure: later ones are its echo. Returns -1. */
int bl_fail(struct bl_err *err, enum bl_code code, const char *fmt, ...) BL_PRINTF(3);

/*
 * bl_fail() with errno's meaning appended (": No space left on device") and
 * the code chosen from errno: ENOENT, EEXIST, EACCES/EPERM, ENOSPC/EDQUOT,
 * ENOMEM and EAGAIN have their own, anything else is BL_EIO. Returns -1.
 */
int bl_fail_errno(struct bl_err *err, int errnum, const char *fmt, ...) BL_PRINTF(3);

/* Prepends "context: ", cutting the context before the cause. Returns -1. */
int bl_wrap(struct bl_err *err, const char *fmt, ...) BL_PRINTF(2);

/* Sets the next step unless an inner layer that knew better has. Returns -1. */
int bl_next(struct bl_err *err, const char *fmt, ...) BL_PRINTF(2);

/* Replaces the code where a layer knows better what the failure means. Returns -1. */
int bl_recode(struct bl_err *err, enum bl_code code);

void bl_err_clear(struct bl_err *err);

/* Exit status of a program, design 4.10: 0 1 2 3 4 5 6 70 or 75. */
int bl_exit_status(enum bl_code code);

#endif
