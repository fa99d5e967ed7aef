/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_BENCH_S3_SERVER_H
#define BL_TESTS_BENCH_S3_SERVER_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What s3_server.c, which has the connections, and replies.c, which knows S3, share. */

#define BIG_BYTES ((uint64_t)1 << 30)
#define SMALL_BYTES ((uint64_t)64 << 10)
#define HEAD_MAX ((size_t)32 << 10)
#define SINK_BYTES ((size_t)256 << 10)

enum phase { READ_HEAD, READ_BODY, WAIT, SEND };

struct connection {
	int fd;
	enum phase phase;
	char head[HEAD_MAX + 1];
	size_t head_len;
	uint64_t body_left;
	EVP_MD_CTX *md5; /* NULL: not wanted */
	char *out;       /* head and small body of the reply */
	size_t out_len, out_sent;
	uint64_t file_at, file_left; /* of the pattern, after out */
	int64_t due_ms;
	struct connection *next_due;
};

struct s3_server {
	int epoll, memory;
	int64_t delay_ms;
	bool md5;
	uint64_t crc_big, crc_small;
	unsigned long lists, heads, gets, puts, others;
	uint64_t bytes_in, bytes_out;
	struct connection *due, **due_tail; /* the delay is the same for all: in order */
	char sink[SINK_BYTES];
};

extern struct s3_server server;

/* Ends the program. */
void die(const char *what);
/* The value of a header in the request's head, or NULL. name: "\r\nrange:". */
const char *header(const struct connection *c, const char *name);
/* Puts the reply of the whole request into c->out and c->file_*. */
void s3_answer(struct connection *c);

#endif
