/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GZIP_H
#define BL_CODEC_GZIP_H

#include "base/buf.h"

/*
 * A gzip stream by zlib: header without name and time, OS 255. Its bytes depend on the input alone,
 * not on how it came in pieces nor on how many threads work: the input is cut every 256 KiB, each
 * piece is deflated by itself with the 32 KiB before it as its dictionary. Level 0 is stored blocks
 * of 65,535 bytes, made here, in the caller's thread.
 */
struct bl_gzip;

typedef int bl_gzip_sink(void *arg, const void *bytes, size_t len, struct bl_err *err);

struct bl_gzip_options {
	int level;          /* 0 stored, 1..9 */
	unsigned threads;   /* that deflate; 0: all in the caller's */
	bl_gzip_sink *sink; /* gets the stream in order, always in the caller's thread */
	void *arg;
};

BL_MUST int bl_gzip_open(const struct bl_gzip_options *options, struct bl_gzip **out,
                         struct bl_err *err);
BL_MUST int bl_gzip_add(struct bl_gzip *gzip, const void *bytes, size_t len, struct bl_err *err);
BL_MUST int bl_gzip_finish(struct bl_gzip *gzip, struct bl_err *err);
void bl_gzip_close(struct bl_gzip *gzip); /* takes NULL; ends the threads */

#endif
