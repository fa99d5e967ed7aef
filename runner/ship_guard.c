/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/ship.h"

#include "base/clock.h"

#include <stdlib.h>

/* Of one small object; longer than the client repeats by itself, shorter than people wait. */
#define SMALL_MS 60000

/*
 * The fence stands before every write, also within one long request: a store that was out of reach
 * for minutes is back, and meanwhile somebody may have ended this attempt.
 */
struct guard {
	struct ship *ship;
	struct bl_store *inner;
};

/* Before the claim, and for a dead predecessor, there is no fence of ours. */
static int may_write(const struct guard *guard, struct bl_err *err)
{
	struct ship *ship = guard->ship;

	if (!ship->claim.attempt || ship->claim.attempt != ship->claimed.attempt)
		return 0;
	if (!ship->fenced && ship_check_fence(ship, err))
		return -1;
	if (ship->fenced)
		return bl_fail(err, BL_EBUSY, "attempt %u was ended by somebody else",
		               ship->claim.attempt);
	return 0;
}

const struct bl_call *ship_bounded(const struct bl_call *call, struct bl_call *own)
{
	if (call)
		return call;
	*own = (struct bl_call){ .deadline_mono_ms = bl_mono_ms() + SMALL_MS };
	return own;
}

static int guard_put_if_absent(void *self, const struct bl_call *call, const char *key,
                               const void *bytes, size_t len, struct bl_err *err)
{
	const struct guard *guard = self;
	struct bl_call own;

	if (may_write(guard, err))
		return -1;
	return bl_store_put_if_absent(guard->inner, ship_bounded(call, &own), key, bytes, len, err);
}

static int guard_put(void *self, const struct bl_call *call, const char *key, const void *bytes,
                     size_t len, struct bl_err *err)
{
	const struct guard *guard = self;
	struct bl_call own;

	if (may_write(guard, err))
		return -1;
	return bl_store_put(guard->inner, ship_bounded(call, &own), key, bytes, len, err);
}

static int guard_put_file(void *self, const struct bl_call *call, const char *key, int fd,
                          uint64_t size, uint64_t *crc, struct bl_err *err)
{
	const struct guard *guard = self;

	if (may_write(guard, err))
		return -1;
	return bl_store_put_file(guard->inner, call, key, fd, size, crc, err);
}

static int guard_delete(void *self, const struct bl_call *call, const char *key, struct bl_err *err)
{
	const struct guard *guard = self;
	struct bl_call own;

	if (may_write(guard, err))
		return -1;
	return bl_store_delete(guard->inner, ship_bounded(call, &own), key, err);
}

static int guard_get_range(void *self, const struct bl_call *call, const char *key, uint64_t offset,
                           size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	const struct guard *guard = self;
	struct bl_call own;

	return bl_store_get_range(guard->inner, ship_bounded(call, &own), key, offset, len, buf,
	                          total, err);
}

static int guard_get_file(void *self, const struct bl_call *call, const char *key, int fd,
                          uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	const struct guard *guard = self;

	return bl_store_get_file(guard->inner, call, key, fd, size, crc, err);
}

static int guard_get_many(void *self, const struct bl_call *call, const char *const *keys, size_t n,
                          size_t each_max, bl_many_fn *fn, void *arg, struct bl_err *err)
{
	const struct guard *guard = self;

	return bl_store_get_many(guard->inner, call, keys, n, each_max, fn, arg, err);
}

static int guard_tidy(void *self, const struct bl_call *call, const char *prefix,
                      struct bl_err *err)
{
	const struct guard *guard = self;

	if (may_write(guard, err))
		return -1;
	return bl_store_tidy(guard->inner, call, prefix, err);
}

static int guard_list(void *self, const struct bl_call *call, const char *prefix,
                      const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                      struct bl_err *err)
{
	const struct guard *guard = self;

	return bl_store_list(guard->inner, call, prefix, start_after, delimiter, fn, arg, err);
}

static void guard_close(void *self)
{
	struct guard *guard = self;

	bl_store_close(guard->inner);
	free(guard);
}

static const struct bl_store_ops ops = {
	.close = guard_close,
	.put_if_absent = guard_put_if_absent,
	.put = guard_put,
	.put_file = guard_put_file,
	.get_range = guard_get_range,
	.get_file = guard_get_file,
	.list = guard_list,
	.delete = guard_delete,
	.get_many = guard_get_many,
	.tidy = guard_tidy,
};

int ship_open_store(struct ship *ship, struct bl_err *err)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	guard->ship = ship;
	if (bl_store_open(ship->place.store, BL_STORE_WRITE, &guard->inner, err) ||
	    bl_store_new(&ops, guard, bl_store_uri(guard->inner), &ship->store, err)) {
		guard_close(guard);
		return -1;
	}
	return 0;
}
