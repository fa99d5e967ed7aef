/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIECE ((size_t)256 << 10)
#define WINDOW ((size_t)32 << 10)
#define THREADS_MAX 8
#define BLOCK_HEAD ((size_t)5)
#define BLOCK_MAX ((size_t)65535) /* a stored block's most, RFC 1951, 3.2.4 */
#define MEMORY_LEVEL 8            /* 9 is no faster and no smaller, for 128 KiB more a piece */

/* A piece on its way: filled by the caller, deflated by anybody, given on in order. */
enum state { FREE, FILLING, READY, TAKEN, DONE };
struct piece {
	enum state state;
	bool last;
	unsigned char *in; /* WINDOW bytes before it, then up to PIECE */
	size_t dictionary, len;
	unsigned char *out;
	size_t out_len, out_room;
	uLong crc;
	bool failed;
	z_stream stream;
	bool has_stream;
};

struct bl_gzip {
	struct bl_gzip_options options;
	unsigned char *block; /* of level 0: BLOCK_HEAD, then block_len bytes; no pieces then */
	size_t block_len;
	struct piece *pieces; /* a ring of n_pieces */
	size_t n_pieces;
	size_t head, tail; /* next to give on; the one being filled */
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool quits, began, has_lock;
	uLong crc;
	uint64_t total;
};

/* --- One piece -------------------------------------------------------------------------------- */

static bool make_piece(struct piece *piece, int level)
{
	piece->in = malloc(WINDOW + PIECE);
	piece->stream = (z_stream){ 0 };
	/* raw deflate: header and sums are ours */
	piece->has_stream = piece->in && deflateInit2(&piece->stream, level, Z_DEFLATED, -MAX_WBITS,
	                                              MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
	if (!piece->has_stream)
		return false;
	piece->out_room = deflateBound(&piece->stream, PIECE) + 64;
	piece->out = malloc(piece->out_room);
	return piece->out != NULL;
}

static void drop_piece(struct piece *piece)
{
	if (piece->has_stream)
		deflateEnd(&piece->stream);
	free(piece->in);
	free(piece->out);
}

/* Ends on a byte, so that the next one can follow whoever has made it. */
static void deflate_piece(struct piece *piece)
{
	z_stream *stream = &piece->stream;
	int wanted = piece->last ? Z_STREAM_END : Z_OK, rc;

	piece->failed = deflateReset(stream) != Z_OK ||
	                (piece->dictionary &&
	                 deflateSetDictionary(stream, piece->in + WINDOW - piece->dictionary,
	                                      (uInt)piece->dictionary) != Z_OK);
	if (piece->failed)
		return;
	stream->next_in = piece->in + WINDOW;
	stream->avail_in = (uInt)piece->len;
	stream->next_out = piece->out;
	stream->avail_out = (uInt)piece->out_room;
	rc = deflate(stream, piece->last ? Z_FINISH : Z_SYNC_FLUSH);
	piece->failed = rc != wanted || stream->avail_in != 0;
	piece->out_len = piece->out_room - stream->avail_out;
	piece->crc = crc32(0, piece->in + WINDOW, (uInt)piece->len);
}

/* --- Threads ---------------------------------------------------------------------------------- */

static struct piece *take_ready(struct bl_gzip *gzip)
{
	for (size_t i = gzip->head; i != gzip->tail; i++)
		if (gzip->pieces[i % gzip->n_pieces].state == READY)
			return &gzip->pieces[i % gzip->n_pieces];
	return NULL;
}

static void *work(void *arg)
{
	struct bl_gzip *gzip = arg;

	pthread_mutex_lock(&gzip->lock);
	while (!gzip->quits) {
		struct piece *piece = take_ready(gzip);

		if (!piece) {
			pthread_cond_wait(&gzip->changed, &gzip->lock);
			continue;
		}
		piece->state = TAKEN;
		pthread_mutex_unlock(&gzip->lock);
		deflate_piece(piece);
		pthread_mutex_lock(&gzip->lock);
		piece->state = DONE;
		pthread_cond_broadcast(&gzip->changed);
	}
	pthread_mutex_unlock(&gzip->lock);
	return NULL;
}

/* Only where there is work for them: a small input costs no thread. */
static void start_threads(struct bl_gzip *gzip)
{
	while (gzip->n_threads < gzip->options.threads && gzip->n_threads < THREADS_MAX &&
	       !pthread_create(&gzip->threads[gzip->n_threads], NULL, work, gzip))
		gzip->n_threads++;
	gzip->options.threads = gzip->n_threads;
}

/* --- The stream ------------------------------------------------------------------------------- */

static int give(struct bl_gzip *gzip, const void *bytes, size_t len, struct bl_err *err)
{
	static const unsigned char header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };

	if (!gzip->began && gzip->options.sink(gzip->options.arg, header, sizeof(header), err))
		return -1;
	gzip->began = true;
	return gzip->options.sink(gzip->options.arg, bytes, len, err);
}

/* Level 0 without zlib: a small layer is this, and wants neither its time nor its memory. */
static int give_block(struct bl_gzip *gzip, bool last, struct bl_err *err)
{
	unsigned char *head = gzip->block;
	size_t len = gzip->block_len;

	head[0] = last;
	head[1] = (unsigned char)len;
	head[2] = (unsigned char)(len >> 8);
	head[3] = (unsigned char)~head[1];
	head[4] = (unsigned char)~head[2];
	gzip->crc = crc32(gzip->crc, head + BLOCK_HEAD, (uInt)len);
	gzip->total += len;
	gzip->block_len = 0;
	return give(gzip, head, BLOCK_HEAD + len, err);
}

static int add_stored(struct bl_gzip *gzip, const unsigned char *from, size_t len,
                      struct bl_err *err)
{
	while (len) {
		size_t n;

		if (gzip->block_len == BLOCK_MAX && give_block(gzip, false, err))
			return -1;
		n = BLOCK_MAX - gzip->block_len < len ? BLOCK_MAX - gzip->block_len : len;
		memcpy(gzip->block + BLOCK_HEAD + gzip->block_len, from, n);
		gzip->block_len += n;
		from += n;
		len -= n;
	}
	return 0;
}

static int give_piece(struct bl_gzip *gzip, struct piece *piece, struct bl_err *err)
{
	if (piece->failed)
		return bl_fail(err, BL_EBUG, "zlib cannot deflate");
	gzip->crc = crc32_combine(gzip->crc, piece->crc, (z_off_t)piece->len);
	gzip->total += piece->len;
	return give(gzip, piece->out, piece->out_len, err);
}

/* Gives on what is done, in order; until the ring has room, or all of it. */
static int drain(struct bl_gzip *gzip, bool all, struct bl_err *err)
{
	while (gzip->head != gzip->tail) {
		struct piece *piece = &gzip->pieces[gzip->head % gzip->n_pieces];
		bool must = all || gzip->tail - gzip->head == gzip->n_pieces;
		bool ready;

		pthread_mutex_lock(&gzip->lock);
		while (must && piece->state != DONE && gzip->n_threads)
			pthread_cond_wait(&gzip->changed, &gzip->lock);
		ready = piece->state == DONE;
		pthread_mutex_unlock(&gzip->lock);
		if (!ready)
			return 0;
		if (give_piece(gzip, piece, err))
			return -1;
		pthread_mutex_lock(&gzip->lock);
		piece->state = FREE;
		gzip->head++;
		pthread_mutex_unlock(&gzip->lock);
	}
	return 0;
}

/* The piece that is filled goes to work; where nobody helps, here. */
static int hand_over(struct bl_gzip *gzip, bool last, struct bl_err *err)
{
	struct piece *piece = &gzip->pieces[gzip->tail % gzip->n_pieces];

	piece->last = last;
	if (!last && !gzip->n_threads && gzip->options.threads)
		start_threads(gzip);
	if (gzip->n_threads) {
		pthread_mutex_lock(&gzip->lock);
		piece->state = READY;
		gzip->tail++;
		pthread_cond_broadcast(&gzip->changed);
		pthread_mutex_unlock(&gzip->lock);
	} else {
		deflate_piece(piece);
		piece->state = DONE;
		gzip->tail++;
	}
	return drain(gzip, last, err);
}

static int begin_piece(struct bl_gzip *gzip, struct bl_err *err)
{
	struct piece *piece = &gzip->pieces[gzip->tail % gzip->n_pieces];
	const struct piece *before =
		gzip->tail ? &gzip->pieces[(gzip->tail - 1) % gzip->n_pieces] : NULL;

	if (!piece->out && !make_piece(piece, gzip->options.level))
		return bl_fail(err, BL_ENOMEM, "gzip: out of memory");
	piece->len = 0;
	piece->dictionary = before ? WINDOW : 0;
	if (before) /* pieces are full but for the last: a whole window is there */
		memmove(piece->in, before->in + before->len, WINDOW);
	piece->state = FILLING;
	return 0;
}

int bl_gzip_add(struct bl_gzip *gzip, const void *bytes, size_t len, struct bl_err *err)
{
	const unsigned char *from = bytes;

	if (gzip->block)
		return add_stored(gzip, from, len, err);
	while (len) {
		struct piece *piece = &gzip->pieces[gzip->tail % gzip->n_pieces];
		size_t n;

		if (piece->state == FILLING && piece->len == PIECE) {
			if (hand_over(gzip, false, err))
				return -1;
			continue;
		}
		if (piece->state != FILLING && begin_piece(gzip, err))
			return -1;
		n = PIECE - piece->len < len ? PIECE - piece->len : len;
		memcpy(piece->in + WINDOW + piece->len, from, n);
		piece->len += n;
		from += n;
		len -= n;
	}
	return 0;
}

static int finish_pieces(struct bl_gzip *gzip, struct bl_err *err)
{
	struct piece *piece = &gzip->pieces[gzip->tail % gzip->n_pieces];

	if (piece->state != FILLING && begin_piece(gzip, err))
		return -1;
	return hand_over(gzip, true, err);
}

int bl_gzip_finish(struct bl_gzip *gzip, struct bl_err *err)
{
	unsigned char trailer[8];

	if (gzip->block ? give_block(gzip, true, err) : finish_pieces(gzip, err))
		return -1;
	for (int i = 0; i < 4; i++) {
		trailer[i] = (unsigned char)(gzip->crc >> (8 * i));
		trailer[4 + i] = (unsigned char)(gzip->total >> (8 * i));
	}
	return give(gzip, trailer, sizeof(trailer), err);
}

static bool make_room(struct bl_gzip *gzip)
{
	if (!gzip->options.level) {
		gzip->block = malloc(BLOCK_HEAD + BLOCK_MAX);
		return gzip->block != NULL;
	}
	/* the one before is needed for its window: two at least */
	gzip->n_pieces = 2 + 8 * (size_t)gzip->options.threads;
	gzip->pieces = calloc(gzip->n_pieces, sizeof(*gzip->pieces));
	return gzip->pieces != NULL;
}

int bl_gzip_open(const struct bl_gzip_options *options, struct bl_gzip **out, struct bl_err *err)
{
	struct bl_gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return bl_fail(err, BL_ENOMEM, "gzip: out of memory");
	gzip->options = *options;
	if (gzip->options.threads > THREADS_MAX)
		gzip->options.threads = THREADS_MAX;
	gzip->has_lock = make_room(gzip) && !pthread_mutex_init(&gzip->lock, NULL);
	if (!gzip->has_lock || pthread_cond_init(&gzip->changed, NULL)) {
		bl_gzip_close(gzip);
		return bl_fail(err, BL_ENOMEM, "gzip: out of memory");
	}
	*out = gzip;
	return 0;
}

void bl_gzip_close(struct bl_gzip *gzip)
{
	if (!gzip)
		return;
	if (gzip->n_threads) {
		pthread_mutex_lock(&gzip->lock);
		gzip->quits = true;
		pthread_cond_broadcast(&gzip->changed);
		pthread_mutex_unlock(&gzip->lock);
	}
	for (unsigned i = 0; i < gzip->n_threads; i++)
		pthread_join(gzip->threads[i], NULL);
	for (size_t i = 0; gzip->pieces && i < gzip->n_pieces; i++)
		drop_piece(&gzip->pieces[i]);
	if (gzip->has_lock)
		pthread_mutex_destroy(&gzip->lock);
	free(gzip->pieces);
	free(gzip->block);
	free(gzip);
}
