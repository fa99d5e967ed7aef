/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/record.h"

#include "base/fs.h"

#include <fcntl.h>
#include <unistd.h>

#define ROOM_NAME "reserve"
#define LOG_ROOM_NAME "reserve-log"
#define ROOM_BYTES ((size_t)65536)
#define LOG_ROOM_BYTES ((size_t)98304) /* the last 64 KiB, and what says so */

static void keep(int dir, const char *name, size_t bytes)
{
	static const char zeros[LOG_ROOM_BYTES];
	struct bl_err none = { 0 };
	BL_FD fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	/* a disk that is full already: what room there is helps as well */
	if (fd < 0 || !posix_fallocate(fd, 0, (off_t)bytes))
		return;
	if (bl_fs_write(fd, zeros, bytes, &none))
		bl_err_clear(&none);
}

void record_keep_room(int dir)
{
	keep(dir, ROOM_NAME, ROOM_BYTES);
	keep(dir, LOG_ROOM_NAME, LOG_ROOM_BYTES);
}

void record_free_room(int dir)
{
	unlinkat(dir, ROOM_NAME, 0);
	record_free_log_room(dir);
}

void record_free_log_room(int dir)
{
	unlinkat(dir, LOG_ROOM_NAME, 0);
}

int record_replace(int dir, const char *name, const struct bl_buf *text, struct bl_err *err)
{
	if (!bl_fs_replace(dir, name, bl_buf_text(text), text->len, 0644, err))
		return 0;
	if (err->code != BL_ENOSPC)
		return -1;
	bl_err_clear(err);
	record_free_room(dir);
	return bl_fs_replace(dir, name, bl_buf_text(text), text->len, 0644, err);
}
