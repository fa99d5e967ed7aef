/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An S3 that stores nothing, for measuring clients on loopback:
 *
 *   s3_server [--port N] [--delay MS] [--md5]
 *
 * Prints its port, then serves until stdin closes. Any PUT succeeds and is discarded; GET sends
 * the same pattern, by sendfile from memory: keys in /1g are 1 GiB, all others 64 KiB; HEAD knows
 * /1g and /0... only. A list
 * of small/ holds 10,000 keys small/00000 ..., of big/ the one big/1g, modified long ago; others
 * are empty. No signature is looked at.
 *
 *   --delay   waits so long before each reply
 *   --md5     true MD5 as ETag of a PUT (rclone and s3cmd verify it); else a constant
 *
 * GET /_counts: "lists heads gets puts others bytes_in bytes_out" and starts them anew.
 */
#include "tests/bench/s3/server.h"

#include "base/err.h"
#include "codec/hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_BYTES ((uint64_t)16 << 20) /* divides BIG_BYTES */
#define CONNECTIONS_MAX 1024

struct s3_server server = { .due_tail = &server.due };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void die(const char *what)
{
	perror(what);
	exit(70);
}

/* All that is asked is there: the reply is made, and sent at once or when it is due. */
static void answer(struct connection *c)
{
	s3_answer(c);
	c->due_ms = now_ms() + server.delay_ms;
	c->phase = server.delay_ms ? WAIT : SEND;
	if (c->phase == WAIT) {
		c->next_due = NULL;
		*server.due_tail = c;
		server.due_tail = &c->next_due;
	}
}

static void end_connection(struct connection *c)
{
	close(c->fd);
	EVP_MD_CTX_free(c->md5);
	free(c->out);
	free(c);
}

static void take_body(struct connection *c, const char *bytes, size_t n)
{
	if (c->md5)
		EVP_DigestUpdate(c->md5, bytes, n);
	c->body_left -= n;
	server.bytes_in += n;
}

static void begin_body(struct connection *c, char *end)
{
	const char *length = header(c, "\r\ncontent-length: "),
		   *expect = header(c, "\r\nexpect: 100");
	size_t extra = c->head_len - (size_t)(end - c->head);

	c->body_left = length ? strtoull(length, NULL, 10) : 0;
	c->phase = READ_BODY;
	if (server.md5) {
		c->md5 = c->md5 ? c->md5 : EVP_MD_CTX_new();
		EVP_DigestInit_ex(c->md5, EVP_md5(), NULL);
	}
	if (expect && c->body_left &&
	    send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) < 0)
		c->body_left = 0;
	extra = extra < c->body_left ? extra : (size_t)c->body_left;
	take_body(c, end, extra);
	*end = '\0';
}

/* -1: the connection is over. */
static int read_more(struct connection *c)
{
	ssize_t n;

	if (c->phase == READ_BODY && c->body_left) {
		size_t want = c->body_left < SINK_BYTES ? (size_t)c->body_left : SINK_BYTES;

		n = recv(c->fd, server.sink, want, 0);
		if (n > 0)
			take_body(c, server.sink, (size_t)n);
	} else {
		char *end;

		n = recv(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len, 0);
		if (n > 0) {
			c->head_len += (size_t)n;
			c->head[c->head_len] = '\0';
			end = strstr(c->head, "\r\n\r\n");
			if (end)
				begin_body(c, end + 4);
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -1;
	if (c->phase == READ_BODY && !c->body_left)
		answer(c);
	return n < 0 ? 1 : 0;
}

static int send_file(struct connection *c)
{
	off_t at = (off_t)(c->file_at % PATTERN_BYTES);
	uint64_t room = PATTERN_BYTES - (uint64_t)at;
	ssize_t n = sendfile(c->fd, server.memory, &at, c->file_left < room ? c->file_left : room);

	if (n < 0)
		return errno == EAGAIN ? 1 : -1;
	c->file_at += (uint64_t)n;
	c->file_left -= (uint64_t)n;
	server.bytes_out += (uint64_t)n;
	return 0;
}

static int send_more(struct connection *c)
{
	if (c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
		                 MSG_NOSIGNAL | (c->file_left ? MSG_MORE : 0));

		if (n < 0)
			return errno == EAGAIN ? 1 : -1;
		c->out_sent += (size_t)n;
		return 0;
	}
	if (c->file_left)
		return send_file(c);
	c->head_len = 0;
	c->phase = READ_HEAD;
	return 0;
}

static void serve(struct connection *c)
{
	int rc = 0;

	while (!rc && c->phase != WAIT)
		rc = c->phase == SEND ? send_more(c) : read_more(c);
	if (rc < 0)
		end_connection(c);
}

static void accept_all(int listener)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct connection *c;
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		if (!c)
			die("calloc");
		c->fd = fd;
		ev.data.ptr = c;
		if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &ev))
			die("epoll_ctl");
	}
}

/* Milliseconds until the next delayed reply, -1 without one; sends those that are due. */
static int send_due(void)
{
	while (server.due) {
		struct connection *c = server.due;
		int64_t left = c->due_ms - now_ms();

		if (left > 0)
			return (int)left;
		server.due = c->next_due;
		if (!server.due)
			server.due_tail = &server.due;
		c->phase = SEND;
		serve(c);
	}
	return -1;
}

static void make_objects(void)
{
	unsigned char *bytes;
	uint64_t state = 88172645463325252u;

	server.memory = memfd_create("objects", MFD_CLOEXEC);
	if (server.memory < 0 || ftruncate(server.memory, (off_t)PATTERN_BYTES))
		die("memfd");
	bytes = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, server.memory, 0);
	if (bytes == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < PATTERN_BYTES; i += sizeof(state)) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(bytes + i, &state, sizeof(state));
	}
	server.crc_small = bl_crc64nvme(0, bytes, SMALL_BYTES);
	for (uint64_t i = 0; i < BIG_BYTES; i += PATTERN_BYTES)
		server.crc_big = bl_crc64nvme(server.crc_big, bytes, PATTERN_BYTES);
	munmap(bytes, PATTERN_BYTES);
}

static int listen_loopback(unsigned short port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_port = htons(port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		die("listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN }, events[64];
	unsigned short port = 0;
	int listener;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--md5"))
			server.md5 = true;
		else if (!strcmp(argv[i], "--port") && i + 1 < argc)
			port = (unsigned short)strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--delay") && i + 1 < argc)
			server.delay_ms = strtol(argv[++i], NULL, 10);
		else
			return 2;
	}
	make_objects();
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_loopback(port);
	ev.data.ptr = &listener;
	if (server.epoll < 0 || epoll_ctl(server.epoll, EPOLL_CTL_ADD, listener, &ev))
		die("epoll");
	ev.data.ptr = &ev;
	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev))
		die("stdin must be a pipe");
	for (;;) {
		int n = epoll_wait(server.epoll, events, 64, send_due());

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &ev)
				return 0;
			if (events[i].data.ptr == &listener)
				accept_all(listener);
			else
				serve(events[i].data.ptr);
		}
	}
}
