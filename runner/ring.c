/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER_BYTES ((size_t)4096)
#define WHOLE_BYTES (HEADER_BYTES + RING_BYTES)
/* After an overrun the reader goes this far ahead, lest it be overrun at once again. */
#define SKIP_BYTES (RING_BYTES / 8)

_Static_assert(sizeof(struct ring_shared) <= HEADER_BYTES, "the header has one page");
_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0, "positions are masked");

static int map(int fd, struct ring *ring, struct bl_err *err)
{
	char *at = mmap(NULL, WHOLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return bl_fail_errno(err, errno, "map the ring");
	ring->shared = (struct ring_shared *)(void *)at;
	ring->data = at + HEADER_BYTES;
	return 0;
}

int ring_create(struct ring *ring, struct bl_err *err)
{
	struct ring made = RING;

	made.fd = memfd_create("branchline-ring", MFD_CLOEXEC);
	if (made.fd < 0)
		return bl_fail_errno(err, errno, "memfd_create");
	if (ftruncate(made.fd, (off_t)WHOLE_BYTES)) {
		bl_fail_errno(err, errno, "size the ring");
		ring_done(&made);
		return -1;
	}
	if (map(made.fd, &made, err)) {
		ring_done(&made);
		return -1;
	}
	made.shared->status = -1;
	*ring = made;
	return 0;
}

int ring_open(int fd, struct ring *ring, struct bl_err *err)
{
	struct ring opened = RING;
	struct stat st;

	if (fstat(fd, &st) || st.st_size != (off_t)WHOLE_BYTES)
		return bl_fail(err, BL_EINPUT, "descriptor %d is no ring", fd);
	if (map(fd, &opened, err))
		return -1;
	opened.fd = fd;
	opened.at = atomic_load(&opened.shared->taken);
	*ring = opened;
	return 0;
}

void ring_done(struct ring *ring)
{
	if (ring->shared)
		munmap(ring->shared, WHOLE_BYTES);
	if (ring->fd >= 0)
		close(ring->fd);
	*ring = RING;
}

bool ring_grow(struct ring *ring)
{
	if (ring->grown >= RING_BYTES)
		return false;
	if (fallocate(ring->fd, 0, (off_t)(HEADER_BYTES + ring->grown), (off_t)RING_GROW_BYTES)) {
		ring->grown = RING_BYTES;
		return false;
	}
	ring->grown += RING_GROW_BYTES;
	return true;
}

/* The place of [at, at + len) as one or two pieces; returns how many. */
static int pieces(const struct ring *ring, uint64_t at, size_t len, struct iovec out[2])
{
	size_t from = (size_t)(at & (RING_BYTES - 1)), first = RING_BYTES - from;

	if (len <= first) {
		out[0] = (struct iovec){ ring->data + from, len };
		return 1;
	}
	out[0] = (struct iovec){ ring->data + from, first };
	out[1] = (struct iovec){ ring->data, len - first };
	return 2;
}

/* Says what is about to be overwritten before the first byte of it is. */
static uint64_t reserve(struct ring *ring, size_t len)
{
	uint64_t at = atomic_load_explicit(&ring->shared->written, memory_order_relaxed);

	atomic_store_explicit(&ring->shared->reserved, at + len, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return at;
}

static void commit(struct ring *ring, uint64_t at)
{
	atomic_store_explicit(&ring->shared->written, at, memory_order_release);
	atomic_store_explicit(&ring->shared->reserved, at, memory_order_release);
}

ssize_t ring_fill(struct ring *ring, int fd)
{
	struct iovec to[2];
	uint64_t at = reserve(ring, RING_FILL_MAX);
	ssize_t n = readv(fd, to, pieces(ring, at, RING_FILL_MAX, to));

	commit(ring, n > 0 ? at + (uint64_t)n : at);
	return n;
}

void ring_write(struct ring *ring, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len) {
		size_t part = len < RING_FILL_MAX ? len : RING_FILL_MAX;
		struct iovec to[2];
		uint64_t at = reserve(ring, part);
		int n = pieces(ring, at, part, to);

		for (int i = 0; i < n; i++) {
			memcpy(to[i].iov_base, from, to[i].iov_len);
			from += to[i].iov_len;
		}
		commit(ring, at + part);
		len -= part;
	}
}

static uint64_t oldest(const struct ring *ring)
{
	uint64_t reserved = atomic_load_explicit(&ring->shared->reserved, memory_order_relaxed);

	return reserved > RING_BYTES ? reserved - RING_BYTES : 0;
}

size_t ring_take(struct ring *ring, char *to, size_t size, uint64_t *dropped)
{
	uint64_t written = atomic_load_explicit(&ring->shared->written, memory_order_acquire);
	uint64_t first = oldest(ring), missed = 0;
	struct iovec from[2];
	size_t len;

	if (ring->at < first) {
		uint64_t next = first + SKIP_BYTES < written ? first + SKIP_BYTES : written;

		missed = next - ring->at;
		ring->at = next;
	}
	len = written - ring->at < size ? (size_t)(written - ring->at) : size;
	int n = pieces(ring, ring->at, len, from);
	for (int i = 0, done = 0; i < n; i++) {
		memcpy(to + done, from[i].iov_base, from[i].iov_len);
		done += (int)from[i].iov_len;
	}
	/* What was overwritten while we copied is torn: the copy's beginning. */
	atomic_thread_fence(memory_order_seq_cst);
	first = oldest(ring);
	if (ring->at < first) {
		size_t torn = first - ring->at < len ? (size_t)(first - ring->at) : len;

		memmove(to, to + torn, len - torn);
		missed += torn;
		ring->at += torn;
		len -= torn;
	}
	ring->at += len;
	*dropped = missed;
	ring->missed += missed;
	return len;
}

void ring_release(struct ring *ring)
{
	atomic_fetch_add(&ring->shared->dropped, ring->missed);
	ring->missed = 0;
	atomic_store_explicit(&ring->shared->taken, ring->at, memory_order_release);
}

bool ring_sleep(struct ring *ring)
{
	atomic_store(&ring->shared->asleep, 1);
	if (atomic_load(&ring->shared->written) == ring->at)
		return true;
	atomic_store(&ring->shared->asleep, 0);
	return false;
}

bool ring_wants_wake(struct ring *ring)
{
	/* Orders the commit before the look: the reader does the reverse. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&ring->shared->asleep) && atomic_exchange(&ring->shared->asleep, 0);
}
