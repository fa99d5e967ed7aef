/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_RING_H
#define BL_RUNNER_RING_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Bytes from one writer (exec) to one reader (observe) through shared memory. The
 * writer never waits: it overwrites the oldest bytes, and the reader learns exactly how many it
 * missed. Positions count all bytes ever written and never wrap.
 *
 * The memory is allocated in steps (ring_grow) rather than at once: a command of a few
 * milliseconds neither pays the time nor the memory, and one that lives has all of it before
 * memory gets scarce.
 */
#define RING_BYTES ((size_t)16 << 20)
#define RING_FILL_MAX ((size_t)1 << 20) /* one read of the pipe at most */
#define RING_GROW_BYTES ((size_t)1 << 20)

struct ring_shared {
	_Atomic uint64_t
		reserved; /* writer: bytes below reserved - RING_BYTES may be overwritten */
	_Atomic uint64_t written;
	_Atomic uint64_t taken;   /* reader: all below was kept or counted as dropped */
	_Atomic uint64_t dropped; /* reader: bytes it never saw */
	_Atomic uint64_t lost;    /* reader: bytes that it saw and could not store */
	_Atomic uint32_t asleep;  /* reader: wake me by the pipe */
	_Atomic uint32_t closed;  /* writer: nothing follows; status is final */
	/* What the reader has to know, set before it starts. */
	uint64_t max_log_bytes;
	int64_t started_ms;
	uint32_t attempt, echo, records; /* records: its OBSERVE_DIR_FD is open */
	/* How the command ended, valid once closed: as waitpid() gave it; -1: it never ran. */
	int32_t status;
};

struct ring {
	struct ring_shared *shared;
	char *data;
	int fd;
	size_t grown;
	uint64_t at, missed; /* reader's own, not yet released: its position, what it missed */
};
#define RING ((struct ring){ .fd = -1 })

BL_MUST int ring_create(struct ring *ring, struct bl_err *err);
BL_MUST int ring_open(int fd, struct ring *ring, struct bl_err *err); /* takes fd on success */
void ring_done(struct ring *ring);

/* Allocates the next step; false when all is there, or no more can be had: pages come when used. */
bool ring_grow(struct ring *ring);

/* Reads once from fd into the ring, at most RING_FILL_MAX. As read(2) returns. */
ssize_t ring_fill(struct ring *ring, int fd);

/* Copies bytes in; for our own messages and tests. */
void ring_write(struct ring *ring, const void *bytes, size_t len);

/*
 * Copies the next bytes out, at most size. *dropped: bytes that were overwritten before these.
 * Both count only after ring_release(): who dies in between leaves them to its heir.
 */
size_t ring_take(struct ring *ring, char *to, size_t size, uint64_t *dropped);
void ring_release(struct ring *ring);

/* Reader: true when there is nothing to take; from then on the writer wakes it. */
bool ring_sleep(struct ring *ring);
/* Writer: whether the reader asked to be woken; asks once. */
bool ring_wants_wake(struct ring *ring);

#endif
