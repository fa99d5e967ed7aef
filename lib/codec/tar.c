/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tar.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_BYTES 4096
#define NAME_SIZE 100
#define PREFIX_SIZE 155
#define OCTAL_SIZE_MAX (((uint64_t)1 << 33) - 1)

/* POSIX ustar. */
struct header {
	char name[NAME_SIZE], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	char linkname[NAME_SIZE], magic[6], version[2], uname[32], gname[32], major[8], minor[8];
	char prefix[PREFIX_SIZE], pad[12];
};
_Static_assert(sizeof(struct header) == BL_TAR_BLOCK, "a header is one block");

size_t bl_tar_padding(uint64_t size)
{
	return (size_t)((BL_TAR_BLOCK - size % BL_TAR_BLOCK) % BL_TAR_BLOCK);
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static int check_path(const char *path, struct bl_err *err)
{
	size_t len = strlen(path);

	if (!len || len > PATH_MAX_BYTES)
		return bl_fail(err, BL_EINPUT, "a path of %zu bytes", len);
	for (const char *part = path;; part += strcspn(part, "/") + 1) {
		size_t n = strcspn(part, "/");

		if (!n || (n == 1 && *part == '.') || (n == 2 && !memcmp(part, "..", 2)))
			return bl_fail(err, BL_EINPUT, "path '%.200s' has a part '%.*s'", path,
			               (int)n, part);
		if (!part[n])
			return 0;
	}
}

static void put_octal(char *field, size_t size, uint64_t value)
{
	/* 50,000 files are 250,000 of them: printf is too slow */
	for (size_t at = size - 1; at-- > 0; value >>= 3)
		field[at] = (char)('0' + (value & 7));
}

/* At a '/' so that both halves fit; false: there is none. */
static bool split_name(const char *path, struct header *out)
{
	size_t len = strlen(path);

	if (len <= NAME_SIZE) {
		memcpy(out->name, path, len);
		return true;
	}
	for (size_t at = len - 1; at > 0; at--) {
		if (path[at] != '/' || at > PREFIX_SIZE)
			continue;
		if (len - at - 1 > NAME_SIZE)
			return false;
		if (len - at - 1 == 0) /* the '/' at a directory's end stays with its name */
			continue;
		memcpy(out->prefix, path, at);
		memcpy(out->name, path + at + 1, len - at - 1);
		return true;
	}
	return false;
}

static void seal(struct header *header, enum bl_tar_type type, unsigned mode, int64_t mtime_s)
{
	unsigned sum = 0;
	const unsigned char *bytes = (const unsigned char *)header;

	put_octal(header->mode, sizeof(header->mode), mode);
	put_octal(header->uid, sizeof(header->uid), 0);
	put_octal(header->gid, sizeof(header->gid), 0);
	put_octal(header->mtime, sizeof(header->mtime), (uint64_t)mtime_s);
	header->type = (char)type;
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->sum, ' ', sizeof(header->sum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	snprintf(header->sum, sizeof(header->sum), "%06o", sum & 0777777);
	header->sum[7] = ' ';
}

/* "LENGTH key=value\n", where LENGTH counts its own digits too. */
static void add_record(struct bl_buf *out, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest != len)
		len++;
	bl_buf_addf(out, "%s %s=%s\n", digits, key, value);
}

static void add_zeros(struct bl_buf *out, size_t n)
{
	static const char zeros[BL_TAR_BLOCK];

	bl_buf_add(out, zeros, n);
}

static void add_pax(struct bl_buf *out, const struct bl_buf *records, int64_t mtime_s)
{
	struct header header = { .name = "PaxHeader" };

	put_octal(header.size, sizeof(header.size), records->len);
	seal(&header, (enum bl_tar_type)'x', 0644, mtime_s);
	bl_buf_add(out, &header, sizeof(header));
	bl_buf_add(out, records->data, records->len);
	add_zeros(out, bl_tar_padding(records->len));
}

static void cut_into(char field[NAME_SIZE], const char *text)
{
	size_t len = strlen(text);

	memcpy(field, text, len < NAME_SIZE ? len : NAME_SIZE);
}

int bl_tar_add_header(struct bl_buf *out, const struct bl_tar_entry *entry, struct bl_err *err)
{
	BL_AUTO(bl_buf) records = BL_BUF(4 * PATH_MAX_BYTES);
	const char *target = entry->type == BL_TAR_LINK ? entry->target : "";
	uint64_t size = entry->type == BL_TAR_FILE ? entry->size : 0;
	char path[PATH_MAX_BYTES + 2], digits[24];
	struct header header = { 0 };

	if (check_path(entry->path, err))
		return -1;
	if (strlen(target) > PATH_MAX_BYTES)
		return bl_fail(err, BL_EINPUT, "'%.200s' links to a path of %zu bytes", entry->path,
		               strlen(target));
	snprintf(path, sizeof(path), "%s%s", entry->path, entry->type == BL_TAR_DIR ? "/" : "");
	if (!split_name(path, &header) || !is_ascii(path)) {
		add_record(&records, "path", path);
		memset(header.prefix, 0, sizeof(header.prefix));
		memset(header.name, 0, sizeof(header.name));
		cut_into(header.name, path);
	}
	cut_into(header.linkname, target);
	if (strlen(target) > NAME_SIZE || !is_ascii(target))
		add_record(&records, "linkpath", target);
	if (size > OCTAL_SIZE_MAX) {
		snprintf(digits, sizeof(digits), "%" PRIu64, size);
		add_record(&records, "size", digits);
	}
	put_octal(header.size, sizeof(header.size), size > OCTAL_SIZE_MAX ? 0 : size);
	seal(&header, entry->type, entry->mode, entry->mtime_s);
	if (bl_buf_check(&records, entry->path, err))
		return -1;
	if (records.len)
		add_pax(out, &records, entry->mtime_s);
	bl_buf_add(out, &header, sizeof(header));
	return bl_buf_check(out, entry->path, err);
}
