/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "run/sync_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define ASK_AT_ONCE 64

static int add_key(const struct sync_place *place, const char *name, struct bl_buf *keys,
                   struct bl_err *err)
{
	if (strlen(place->prefix) + strlen(name) > SYNC_KEY_MAX)
		return bl_fail(err, BL_EDATA, "over the 1,024 bytes of a key");
	bl_buf_adds(keys, place->prefix);
	bl_buf_add(keys, name, strlen(name) + 1);
	return bl_buf_check(keys, "keys", err);
}

static struct sync_sum *sum_of(struct sync *sync, const struct sync_place *place,
                               struct sync_plan *plan)
{
	return place == &sync->src ? &plan->src : &plan->dst;
}

/* Many at once, of this plan and those behind it: one by one each would cost a round trip. */
static int ask_ahead(struct sync *sync, const struct sync_place *place, struct sync_plan *plan,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(ASK_AT_ONCE * (SYNC_KEY_MAX + 1));
	struct bl_s3_object objects[ASK_AT_ONCE];
	struct sync_plan *plans[ASK_AT_ONCE];
	const char *keys[ASK_AT_ONCE] = { 0 }, *at;
	bool known[ASK_AT_ONCE];
	size_t n = 0;

	for (struct sync_plan *next = plan; next && n < ASK_AT_ONCE;
	     next = next == plan ? sync->plans : next->next) {
		if (!next->look || sum_of(sync, place, next)->known)
			continue;
		if (add_key(place, next->name, &text, err))
			return -1;
		plans[n++] = next;
	}
	at = text.data;
	for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
		keys[i] = at;
	if (bl_s3_head_many(place->s3, NULL, keys, n, objects, known, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (known[i])
			*sum_of(sync, place, plans[i]) =
				(struct sync_sum){ true, objects[i].has_crc, objects[i].crc };
	}
	return 0;
}

static int sum_object(struct sync *sync, const struct sync_place *place, struct sync_plan *plan,
                      struct bl_err *err)
{
	struct sync_sum *sum = sum_of(sync, place, plan);
	BL_AUTO(bl_buf) key = BL_BUF(SYNC_KEY_MAX + 1);
	struct bl_s3_object object;

	if (ask_ahead(sync, place, plan, err))
		return -1;
	if (sum->known)
		return 0;
	/* it failed: once more, alone, to say why */
	if (add_key(place, plan->name, &key, err) ||
	    bl_s3_head(place->s3, NULL, key.data, &object, err))
		return -1;
	*sum = (struct sync_sum){ true, object.has_crc, object.crc };
	return 0;
}

static int read_sum(struct sync *sync, int fd, char *bytes, struct sync_sum *sum,
                    struct bl_err *err)
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
	sum->known = sum->has = true;
	return 0;
}

static int sum_file(struct sync *sync, int root, const char *name, struct sync_sum *sum,
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

static int sum_side(struct sync *sync, const struct sync_place *place, struct sync_plan *plan,
                    struct bl_err *err)
{
	struct sync_sum *sum = sum_of(sync, place, plan);

	if (sum->known)
		return 0;
	return place->s3 ? sum_object(sync, place, plan, err)
	                 : sum_file(sync, place->root, plan->name, sum, err);
}

int sync_look(struct sync *sync, struct sync_plan *plan, bool *equal, struct bl_err *err)
{
	/* S3 first: where it has no checksum the file need not be read */
	bool src_first = sync->src.s3 != NULL;
	const struct sync_place *first = src_first ? &sync->src : &sync->dst;
	const struct sync_place *second = src_first ? &sync->dst : &sync->src;

	*equal = false;
	if (sum_side(sync, first, plan, err))
		return -1;
	if (!sum_of(sync, first, plan)->has)
		return 0;
	if (sum_side(sync, second, plan, err))
		return -1;
	*equal = plan->src.has && plan->dst.has && plan->src.crc == plan->dst.crc;
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
