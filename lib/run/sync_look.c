/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "run/sync_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)1 << 20)

/* has false: S3 has no CRC-64/NVME of it. */
struct sum {
	bool has;
	uint64_t crc;
};

static int sum_object(struct bl_s3 *s3, const char *prefix, const char *name, struct sum *sum,
                      struct bl_err *err)
{
	char key[SYNC_KEY_MAX + 1];
	struct bl_s3_object object;

	if (snprintf(key, sizeof(key), "%s%s", prefix, name) >= (int)sizeof(key))
		return bl_fail(err, BL_EDATA, "over the 1,024 bytes of a key");
	if (bl_s3_head(s3, NULL, key, &object, err))
		return -1;
	*sum = (struct sum){ object.has_crc, object.crc };
	return 0;
}

static int read_sum(struct sync *sync, int fd, char *bytes, struct sum *sum, struct bl_err *err)
{
	struct bl_err unsaid = { 0 };
	uint64_t at = 0;
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EDATA, "it is no longer a file");
	while (at < (uint64_t)st.st_size && !sync_is_stopped(sync)) {
		uint64_t left = (uint64_t)st.st_size - at;
		size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;

		if (bl_fs_pread(fd, bytes, n, at, err))
			return -1;
		sum->crc = bl_crc64nvme(sum->crc, bytes, n);
		at += n;
		/* transfers go on meanwhile; what they have to say, they say later */
		if (bl_aws_step(sync->aws, 0, &unsaid))
			bl_err_clear(&unsaid);
	}
	sum->has = true;
	return 0;
}

static int sum_file(struct sync *sync, int root, const char *name, struct sum *sum,
                    struct bl_err *err)
{
	BL_FD fd = -1;
	char *bytes;
	int rc;

	if (bl_fs_open_beneath(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err))
		return -1;
	bytes = malloc(PIECE_BYTES);
	if (!bytes)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	rc = read_sum(sync, fd, bytes, sum, err);
	free(bytes);
	return rc;
}

static int sum_side(struct sync *sync, const struct sync_place *place, const char *name,
                    struct sum *sum, struct bl_err *err)
{
	*sum = (struct sum){ 0 };
	if (place->s3)
		return sum_object(place->s3, place->prefix, name, sum, err);
	return sum_file(sync, place->root, name, sum, err);
}

int sync_look(struct sync *sync, const char *name, bool *equal, struct bl_err *err)
{
	/* S3 first: where it has no checksum the file need not be read */
	const struct sync_place *first = sync->src.s3 ? &sync->src : &sync->dst;
	const struct sync_place *second = sync->src.s3 ? &sync->dst : &sync->src;
	struct sum one, other;

	*equal = false;
	if (sum_side(sync, first, name, &one, err))
		return -1;
	if (!one.has)
		return 0;
	if (sum_side(sync, second, name, &other, err))
		return -1;
	*equal = other.has && one.crc == other.crc;
	return 0;
}

int sync_explain_empty(struct sync *sync, struct bl_err *err)
{
	const struct sync_place *src = &sync->src;
	size_t len = strlen(src->prefix), word_len = strlen(src->word);
	char key[SYNC_KEY_MAX + 2];
	struct bl_s3_object object;

	if (!src->s3 || !len || src->word[word_len - 1] == '/')
		return 0;
	memcpy(key, src->prefix, len - 1);
	key[len - 1] = '\0';
	if (bl_s3_head(src->s3, NULL, key, &object, err)) {
		bl_err_clear(err); /* none, or none that we may see */
		return 0;
	}
	bl_fail(err, BL_EINPUT, "%s is an object, and a prefix is needed", src->word);
	return bl_next(err, "name what it lies below, and --exclude '*' --include its name");
}
