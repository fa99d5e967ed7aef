/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum bl_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return BL_ENOENT;
	case EEXIST:
		return BL_EEXIST;
	case EACCES:
	case EPERM:
	case EROFS:
		return BL_EDENIED;
	case ENOSPC:
	case EDQUOT:
		return BL_ENOSPC;
	case ENOMEM:
		return BL_ENOMEM;
	case EAGAIN:
		return BL_ERETRY;
	default:
		return BL_EIO;
	}
}

/* vsnprintf cuts at a byte; a cut UTF-8 sequence is dropped whole. */
static void trim_cut_sequence(char *text)
{
	size_t len = strlen(text), back = 0;

	while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back >= len)
		return;
	unsigned char lead = (unsigned char)text[len - 1 - back];
	size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	if (back < want)
		text[len - 1 - back] = '\0';
}

int bl_fail(struct bl_err *err, enum bl_code code, const char *fmt, ...)
{
	va_list args;

	if (err->code != BL_OK)
		return -1;
	err->code = code;
	err->next[0] = '\0';
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	trim_cut_sequence(err->text);
	return -1;
}

int bl_fail_errno(struct bl_err *err, int errnum, const char *fmt, ...)
{
	char what[320];
	va_list args;

	if (err->code != BL_OK)
		return -1;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	errno = errnum; /* %m is what glibc and musl share: their strerror_r differ */
	return bl_fail(err, code_of_errno(errnum), "%s: %m", what);
}

int bl_wrap(struct bl_err *err, const char *fmt, ...)
{
	char context[sizeof(err->text)];
	size_t text_len = strlen(err->text), room;
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
	if (n <= 0)
		return -1;
	room = sizeof(err->text) - 1 - text_len;
	if (room < 4) /* the cause fills the text: it is worth more than the context */
		return -1;
	size_t len = strlen(context);
	if (len > room - 2)
		len = room - 2;
	memmove(err->text + len + 2, err->text, text_len + 1);
	memcpy(err->text, context, len);
	memcpy(err->text + len, ": ", 2);
	return -1;
}

int bl_next(struct bl_err *err, const char *fmt, ...)
{
	va_list args;

	if (err->next[0])
		return -1;
	va_start(args, fmt);
	vsnprintf(err->next, sizeof(err->next), fmt, args);
	va_end(args);
	trim_cut_sequence(err->next);
	return -1;
}

int bl_recode(struct bl_err *err, enum bl_code code)
{
	err->code = code;
	return -1;
}

void bl_err_clear(struct bl_err *err)
{
	err->code = BL_OK;
	err->text[0] = '\0';
	err->next[0] = '\0';
}

int bl_exit_status(enum bl_code code)
{
	switch (code) {
	case BL_OK:
		return 0;
	case BL_ETRAIN:
	case BL_ENOSPC: /* class storage */
		return 1;
	case BL_EINPUT:
	case BL_EDATA:
	case BL_EBUSY:
	case BL_EEXIST:
	case BL_ENOENT:
		return 2;
	case BL_ECAPACITY:
		return 3;
	case BL_EDENIED:
		return 4;
	case BL_ECANCELLED:
		return 5;
	case BL_EDEADLINE:
		return 6;
	case BL_EINTERRUPTED:
	case BL_ERETRY:
	case BL_ETIMEOUT:
		return 75;
	case BL_ECORRUPT:
	case BL_EIO:
	case BL_ELIMIT:
	case BL_ENOMEM:
	case BL_EBUG:
		return 70;
	}
	return 70;
}
