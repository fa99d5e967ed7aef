/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_walk.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "codec/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX_BYTES ((size_t)256 << 20)
#define STALE_MS (60 * 60 * 1000)
#define TEMP_RANDOM 16 /* characters between ".bl-" and ".tmp" */

void free_chunk(char **chunk)
{
	free(*chunk);
	*chunk = NULL;
}

static bool is_temporary_name(const char *name)
{
	size_t len = strlen(name);

	return len == 4 + TEMP_RANDOM + 4 && bl_str_starts(name, ".bl-") &&
	       bl_str_ends(name, ".tmp") &&
	       strspn(name + 4, "abcdefghijklmnopqrstuvwxyz234567") == TEMP_RANDOM;
}

bool has_long_part(const char *key)
{
	for (;;) {
		size_t len = strcspn(key, "/");

		if (len > NAME_MAX)
			return true;
		if (!key[len])
			return false;
		key += len + 1;
	}
}

bool is_temporary_key(const char *key)
{
	const char *slash = strrchr(key, '/');

	return is_temporary_name(slash ? slash + 1 : key);
}

int fail_blocked(int root, const char *key, struct bl_err *err)
{
	char part[BL_KEY_MAX + 1];
	struct stat st;

	for (size_t i = 0; i <= strlen(key); i++) {
		if (key[i] != '/' && key[i])
			continue;
		memcpy(part, key, i);
		part[i] = '\0';
		if (fstatat(root, part, &st, AT_SYMLINK_NOFOLLOW))
			return -1;
		if (key[i] ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode)) {
			bl_err_clear(err);
			return bl_fail(err, BL_EINPUT, "'%s' is %s already", part,
			               key[i] ? "an object" : "a directory of objects");
		}
	}
	return -1;
}

/* Names of one directory that can be keys; a directory's ends in '/', which is how its keys sort.
 */
struct names {
	struct bl_buf text; /* NUL after each */
	size_t n;
	char **sorted;
};

static void names_done(struct names *names)
{
	bl_buf_done(&names->text);
	free(names->sorted);
}

static bool can_be_in_a_key(const char *name)
{
	size_t len = strlen(name);

	if (bl_utf8_valid(name, len) != len)
		return false;
	for (; *name; name++) {
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return false;
	}
	return true;
}

static int collect(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	struct names *names = arg;

	(void)dir;
	(void)err;
	if ((type != DT_REG && type != DT_DIR) || is_temporary_name(name) || !can_be_in_a_key(name))
		return 0;
	bl_buf_adds(&names->text, name);
	if (type == DT_DIR)
		bl_buf_addc(&names->text, '/');
	bl_buf_addc(&names->text, '\0');
	names->n++;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Absent, or gone meanwhile: no names. */
static int read_names(int root, const char *dir, struct names *names, struct bl_err *err)
{
	char path[BL_KEY_MAX + 2] = ".";
	size_t len = strlen(dir);
	char *at;

	if (len) {
		memcpy(path, dir, len - 1); /* without the '/' */
		path[len - 1] = '\0';
	}
	if (bl_fs_list(root, path, collect, names, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	if (bl_buf_check(&names->text, "names of one directory", err))
		return -1;
	if (!names->n)
		return 0;
	names->sorted = calloc(names->n, sizeof(*names->sorted));
	if (!names->sorted)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	at = names->text.data;
	for (size_t i = 0; i < names->n; i++) {
		names->sorted[i] = at;
		at += strlen(at) + 1;
	}
	qsort(names->sorted, names->n, sizeof(*names->sorted), by_bytes);
	return 0;
}

static int walk_dir(const struct walk *walk, char *key, size_t len, struct bl_err *err);

static int found_one(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	(void)arg;
	(void)item;
	(void)err;
	return 1;
}

/* One call for all keys below the directory `key`, if there is any after start_after. */
static int fold(const struct walk *walk, char *key, size_t len, struct bl_err *err)
{
	struct bl_listed item = { .key = key, .is_prefix = true };
	struct walk probe = *walk;
	int got;

	probe.prefix = "";
	probe.folds = false;
	probe.fn = found_one;
	got = walk_dir(&probe, key, len, err);
	key[len] = '\0';
	if (got <= 0)
		return got;
	return walk->fn(walk->arg, &item, err);
}

static int visit_file(const struct walk *walk, const char *key, struct bl_err *err)
{
	struct bl_listed item = { .key = key };
	struct stat st;

	if (strcmp(key, walk->start_after) <= 0)
		return 0;
	/* gone since its directory was read */
	if (fstatat(walk->root, key, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	item.size = (uint64_t)st.st_size;
	return walk->fn(walk->arg, &item, err);
}

/* `key` is now a name of the directory appended to its path. */
static int visit(const struct walk *walk, char *key, size_t len, struct bl_err *err)
{
	size_t wanted = strlen(walk->prefix);

	if (strncmp(key, walk->prefix, len < wanted ? len : wanted) != 0)
		return 0;
	if (key[len - 1] != '/')
		return len < wanted ? 0 : visit_file(walk, key, err);
	/* all keys below it begin alike, and sort before start_after when it does */
	if (strncmp(key, walk->start_after, len) < 0)
		return 0;
	if (walk->folds && len > wanted)
		return fold(walk, key, len, err);
	return walk_dir(walk, key, len, err);
}

static int walk_dir(const struct walk *walk, char *key, size_t len, struct bl_err *err)
{
	__attribute__((cleanup(names_done))) struct names names = {
		.text = BL_BUF(NAMES_MAX_BYTES),
	};

	if (walk->call && walk->call->deadline_mono_ms &&
	    bl_mono_ms() >= walk->call->deadline_mono_ms)
		return bl_fail(err, BL_ETIMEOUT, "list %s: its deadline has passed", walk->prefix);
	key[len] = '\0';
	if (read_names(walk->root, key, &names, err))
		return bl_wrap(err, "list %s", walk->prefix);
	for (size_t i = 0; i < names.n; i++) {
		size_t add = strlen(names.sorted[i]);
		int stop;

		if (len + add > BL_KEY_MAX)
			continue;
		memcpy(key + len, names.sorted[i], add + 1);
		stop = visit(walk, key, len + add, err);
		if (stop)
			return stop;
	}
	return 0;
}

int walk_keys(const struct walk *walk, struct bl_err *err)
{
	const char *slash = strrchr(walk->prefix, '/');
	size_t len = slash ? (size_t)(slash - walk->prefix) + 1 : 0;
	char key[BL_KEY_MAX + 2];

	if (has_long_part(walk->prefix))
		return 0;
	/* everything that begins with the prefix lies in its last whole directory */
	memcpy(key, walk->prefix, len);
	return walk_dir(walk, key, len, err);
}

static int remove_stale(void *arg, int dir, const char *name, unsigned char type,
                        struct bl_err *err)
{
	const int64_t *now_ms = arg;
	struct stat st;

	(void)err;
	if (type != DT_REG || !is_temporary_name(name) ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (*now_ms - (int64_t)st.st_mtim.tv_sec * 1000 > STALE_MS)
		unlinkat(dir, name, 0);
	return 0;
}

void tidy_parent(struct tidied *tidied, int root, const char *key)
{
	const char *slash = strrchr(key, '/');
	size_t len = slash ? (size_t)(slash - key) : 0;
	uint64_t hash = bl_crc64nvme(0, key, len) | 1; /* 0 is the empty place */
	int64_t now_ms = bl_wall_ms();
	struct bl_err unsaid = { 0 };
	char path[BL_KEY_MAX + 1] = ".";

	for (size_t i = 0; i < BL_COUNT(tidied->seen); i++) {
		if (tidied->seen[i] == hash)
			return;
	}
	tidied->seen[tidied->next++ % BL_COUNT(tidied->seen)] = hash;
	if (len) {
		memcpy(path, key, len);
		path[len] = '\0';
	}
	/* an absent directory, or one that refuses, is the write's business */
	if (bl_fs_list(root, path, remove_stale, &now_ms, &unsaid))
		bl_err_clear(&unsaid);
}
