/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX_BYTES ((size_t)256 << 20)
#define PATH_MAX_BYTES ((size_t)64 << 10)
#define DEPTH_MAX 256

/*
 * One directory that is being walked. Its names lie in `text`, each behind a letter: f(ile),
 * d(irectory), l(ink), b(elow a link), s(pecial). A directory's ends in '/', which is how the
 * names below it sort among its siblings: "a.b" comes before "a/b".
 */
struct sync_frame {
	struct sync_frame *below;
	int fd;
	unsigned depth;
	size_t path_len;
	struct bl_buf text;
	const char **names;
	size_t n, next;
};

static void frame_free(struct sync_frame *frame)
{
	if (!frame)
		return;
	bl_fd_done(&frame->fd);
	bl_buf_done(&frame->text);
	free(frame->names);
	free(frame);
}

static void frame_auto(struct sync_frame **frame)
{
	frame_free(*frame);
}

static void close_stream(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static void add_name(struct sync_frame *frame, char kind, const char *name, const char *tail)
{
	bl_buf_addc(&frame->text, kind);
	bl_buf_adds(&frame->text, name);
	bl_buf_adds(&frame->text, tail);
	bl_buf_addc(&frame->text, '\0');
	frame->n++;
}

static unsigned char type_of(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return DT_REG; /* whether it is gone is seen when its turn comes */
	return (unsigned char)IFTODT(st.st_mode);
}

static void add_entry(const struct sync_walk *walk, struct sync_frame *frame,
                      const struct dirent *entry)
{
	const char *name = entry->d_name;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	if (sync_is_temporary(name)) {
		if (walk->cleans && sync_is_our_temporary(name))
			sync_remove_leftover(frame->fd, name);
		return;
	}
	switch (type_of(frame->fd, entry)) {
	case DT_REG:
		add_name(frame, 'f', name, "");
		break;
	case DT_DIR:
		add_name(frame, 'd', name, "/");
		break;
	case DT_LNK: /* perhaps of a directory: then names below it exist on the other side */
		add_name(frame, 'l', name, "");
		add_name(frame, 'b', name, "/");
		break;
	case DT_UNKNOWN:
		break;
	default:
		add_name(frame, 's', name, "");
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

static int sort_names(struct sync_frame *frame, struct bl_err *err)
{
	const char *at = frame->text.data;

	if (bl_buf_check(&frame->text, "names of one directory", err))
		return -1;
	if (!frame->n)
		return 0;
	frame->names = calloc(frame->n, sizeof(*frame->names));
	if (!frame->names)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < frame->n; i++) {
		frame->names[i] = at;
		at += strlen(at) + 1;
	}
	qsort(frame->names, frame->n, sizeof(*frame->names), by_name);
	return 0;
}

static int read_names(const struct sync_walk *walk, struct sync_frame *frame, struct bl_err *err)
{
	__attribute__((cleanup(close_stream))) DIR *stream = NULL;
	BL_FD copy = openat(frame->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;

	stream = copy < 0 ? NULL : fdopendir(copy);
	if (!stream)
		return bl_fail_errno(err, errno, "open");
	(void)!bl_fd_take(&copy);
	while (errno = 0, (entry = readdir(stream)))
		add_entry(walk, frame, entry);
	if (errno)
		return bl_fail_errno(err, errno, "read");
	return sort_names(frame, err);
}

/* Takes fd. The path of the walk names the directory already. */
static int push(struct sync_walk *walk, int taken_fd, struct bl_err *err)
{
	BL_FD fd = taken_fd;
	__attribute__((cleanup(frame_auto))) struct sync_frame *frame = calloc(1, sizeof(*frame));

	if (!frame)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	frame->fd = bl_fd_take(&fd);
	frame->text = BL_BUF(NAMES_MAX_BYTES);
	frame->depth = walk->top ? walk->top->depth + 1 : 0;
	frame->path_len = walk->path.len;
	if (read_names(walk, frame, err))
		return -1;
	frame->below = walk->top;
	walk->top = frame;
	frame = NULL;
	return 0;
}

int sync_walk_open(struct sync_walk *walk, int root, struct bl_err *err)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	walk->path = BL_BUF(PATH_MAX_BYTES);
	if (fd < 0)
		return bl_fail_errno(err, errno, "open");
	return push(walk, fd, err);
}

void sync_walk_done(struct sync_walk *walk)
{
	while (walk->top) {
		struct sync_frame *frame = walk->top;

		walk->top = frame->below;
		frame_free(frame);
	}
	bl_buf_done(&walk->path);
}

/* A directory that cannot be entered: said as an item, since the rest can be walked. */
static bool enter(struct sync_walk *walk, const char *name, struct sync_item *item,
                  struct bl_err *err)
{
	char part[256];
	size_t len = strlen(name) - 1;
	int fd;

	memcpy(part, name, len);
	part[len] = '\0';
	fd = openat(walk->top->fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		bl_fail_errno(err, errno, "open");
	else if (walk->top->depth + 1 >= DEPTH_MAX) {
		close(fd);
		bl_fail(err, BL_ELIMIT, "over %d directories deep", DEPTH_MAX);
	} else if (!push(walk, fd, err)) {
		return false;
	}
	if (err->code == BL_ENOMEM)
		return false;
	snprintf(walk->why, sizeof(walk->why), "%.150s", err->text);
	bl_err_clear(err);
	item->kind = SYNC_BLOCKED;
	item->why = walk->why;
	return true;
}

/* Whether it is (still) a name to tell. A name that cannot be looked at is not gone. */
static bool see(struct sync_walk *walk, char kind, const char *name, struct sync_item *item,
                struct bl_err *err)
{
	struct stat st;

	item->kind = kind == 'l' ? SYNC_LINK : kind == 'b' ? SYNC_BELOW : SYNC_SPECIAL;
	if (kind != 'f')
		return true;
	if (fstatat(walk->top->fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			bl_fail_errno(err, errno, "look at a name that is there");
		return false;
	}
	if (walk->skip_ino && st.st_ino == walk->skip_ino && st.st_dev == walk->skip_dev)
		return false;
	if (!S_ISREG(st.st_mode))
		return true;
	item->kind = SYNC_FILE;
	item->side.size = (uint64_t)st.st_size;
	item->side.modified_wall_ms =
		(int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return true;
}

int sync_walk_next(struct sync_walk *walk, struct sync_item *item, enum sync_got *got,
                   struct bl_err *err)
{
	while (walk->top) {
		struct sync_frame *frame = walk->top;
		const char *record;
		bool tell;

		if (frame->next == frame->n) {
			walk->top = frame->below;
			frame_free(frame);
			continue;
		}
		record = frame->names[frame->next++];
		walk->path.len = frame->path_len;
		bl_buf_adds(&walk->path, record + 1);
		if (bl_buf_check(&walk->path, "path", err))
			return -1;
		*item = (struct sync_item){ .etag = "" };
		tell = record[0] == 'd' ? enter(walk, record + 1, item, err)
		                        : see(walk, record[0], record + 1, item, err);
		if (err->code)
			return bl_wrap(err, "%s", bl_buf_text(&walk->path));
		if (!tell)
			continue;
		item->name = bl_buf_text(&walk->path);
		*got = SYNC_ITEM;
		return 0;
	}
	*got = SYNC_END;
	return 0;
}
