/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/canned_serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUEST_BYTES_MAX = 4 << 20 };

struct connection {
	int fd;
	bool is_deaf;
	bool is_head;
	bool is_answered; /* early: only the rest of its body is awaited */
	char *bytes;
	size_t len;
	const struct canned_reply *paused; /* its reply waits for a go */
};

struct serving {
	int listener, go;
	const struct canned_reply *replies;
	size_t n_replies;
	unsigned *used;
	struct canned_seen *seen;
	struct connection connections[CONNECTIONS_MAX];
};

static void give_up(const char *why)
{
	fprintf(stderr, "canned: %s: %s\n", why, strerror(errno));
	_exit(70);
}

static void end_connection(struct connection *c, enum canned_end how)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (how == CANNED_KEEP)
		return;
	if (how == CANNED_HANG) {
		c->is_deaf = true;
		return;
	}
	if (how == CANNED_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->fd);
	free(c->bytes);
	*c = (struct connection){ .fd = -1 };
}

static bool send_all(struct connection *c, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* The whole reply as bytes; the caller frees. */
static char *render(const struct canned_reply *reply, bool is_head, size_t *len)
{
	size_t body_len = reply->body_len ? reply->body_len : reply->body ? strlen(reply->body) : 0;
	const char *headers = reply->headers ? reply->headers : "";
	char *text;
	int n;

	if (reply->bytes) {
		*len = reply->len ? reply->len : strlen(reply->bytes);
		text = malloc(*len + 1);
		if (!text)
			give_up("malloc");
		memcpy(text, reply->bytes, *len);
		return text;
	}
	text = malloc(strlen(headers) + body_len + 128);
	if (!text)
		give_up("malloc");
	n = snprintf(text, strlen(headers) + 128,
	             "HTTP/1.1 %d Canned\r\nContent-Length: %zu\r\n%s\r\n",
	             reply->status ? reply->status : 200, body_len, headers);
	if (body_len)
		memcpy(text + n, reply->body, body_len);
	*len = (size_t)n + (is_head ? 0 : body_len);
	return text;
}

/* Bytes from..to of the reply, and its end when that was the last. */
static void send_part(struct connection *c, const struct canned_reply *reply, bool is_first)
{
	size_t len, from = 0, to;
	char *text = render(reply, c->is_head, &len);
	bool sent;

	if (reply->is_cut && reply->cut < len)
		len = reply->cut;
	to = len;
	if (reply->pause && reply->pause_at < len) {
		from = is_first ? 0 : reply->pause_at;
		to = is_first ? reply->pause_at : len;
	} else if (!is_first) {
		from = len;
	}
	sent = send_all(c, text + from, to - from);
	free(text);
	if (reply->pause && is_first)
		c->paused = reply;
	else
		end_connection(c, sent ? reply->end : CANNED_CLOSE);
}

static const struct canned_reply nothing = { .status = 404, .body = "canned: nothing" };

static const struct canned_reply *choose(struct serving *s, const char *head)
{
	for (size_t i = 0; i < s->n_replies; i++) {
		const struct canned_reply *reply = &s->replies[i];

		if (reply->on && strncmp(head, reply->on, strlen(reply->on)) != 0)
			continue;
		if (reply->times && s->used[i] >= reply->times)
			continue;
		return reply;
	}
	return &nothing;
}

static size_t keep(struct canned_seen *seen, const char *bytes, size_t len)
{
	size_t at = seen->len;

	if (len + 1 > CANNED_BYTES_MAX - seen->len)
		give_up("too many bytes for one test");
	memcpy(seen->text + at, bytes, len);
	seen->len += len + 1; /* the rest of the mapping is zero */
	return at;
}

static void note(struct serving *s, const char *head, size_t head_len, size_t body_len)
{
	size_t i = s->seen->n_requests;

	if (i == CANNED_REQUESTS_MAX)
		give_up("too many requests for one test");
	s->seen->requests[i].head = keep(s->seen, head, head_len);
	s->seen->requests[i].body = keep(s->seen, head + head_len, body_len);
	s->seen->requests[i].body_len = body_len;
	s->seen->n_requests = i + 1;
}

static size_t body_length(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line ? strtoul(line + 17, NULL, 10) : 0;
}

/* Answers what has come whole. */
static void serve(struct serving *s, struct connection *c)
{
	while (c->fd >= 0 && !c->paused && !c->is_deaf && c->len) {
		const char *end = memmem(c->bytes, c->len, "\r\n\r\n", 4);
		size_t head_len, body_len, have;
		const struct canned_reply *reply = NULL;

		if (!end)
			return;
		head_len = (size_t)(end - c->bytes) + 4;
		body_len = body_length(c->bytes);
		have = c->len - head_len < body_len ? c->len - head_len : body_len;
		if (!c->is_answered) {
			reply = choose(s, c->bytes);
			if (have < body_len && !reply->early)
				return;
			if (reply != &nothing)
				s->used[reply - s->replies]++;
			c->is_head = !strncmp(c->bytes, "HEAD ", 5);
			note(s, c->bytes, head_len, have);
		}
		if (have < body_len) {
			c->is_answered = true;
		} else {
			c->is_answered = false;
			c->len -= head_len + body_len;
			memmove(c->bytes, c->bytes + head_len + body_len, c->len + 1);
		}
		if (reply)
			send_part(c, reply, true);
		if (c->is_answered)
			return;
	}
}

static void receive(struct serving *s, struct connection *c)
{
	ssize_t n;

	if (!c->bytes && !(c->bytes = calloc(1, REQUEST_BYTES_MAX + 1)))
		give_up("malloc");
	if (c->len == REQUEST_BYTES_MAX)
		give_up("too long a request");
	n = recv(c->fd, c->bytes + c->len, REQUEST_BYTES_MAX - c->len, 0);
	if (n <= 0) {
		end_connection(c, CANNED_CLOSE);
		return;
	}
	c->len += (size_t)n;
	c->bytes[c->len] = '\0';
	serve(s, c);
}

static void take_connection(struct serving *s)
{
	int fd = accept(s->listener, NULL, NULL), on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->seen->n_connections++;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (s->connections[i].fd >= 0)
			continue;
		s->connections[i] = (struct connection){ .fd = fd };
		return;
	}
	give_up("too many connections for one test");
}

/* A go is taken only once a reply waits for it. */
static void let_go(struct serving *s)
{
	char byte;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd < 0 || !c->paused)
			continue;
		if (read(s->go, &byte, 1) != 1)
			_exit(0);
		const struct canned_reply *reply = c->paused;
		c->paused = NULL;
		send_part(c, reply, false);
		serve(s, c);
		return;
	}
}

static bool is_one_paused(const struct serving *s)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (s->connections[i].fd >= 0 && s->connections[i].paused)
			return true;
	return false;
}

static void serve_all(struct serving *s)
{
	struct pollfd fds[CONNECTIONS_MAX + 2];

	for (;;) {
		fds[0] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = is_one_paused(s) ? s->go : -1, .events = POLLIN };
		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			struct connection *c = &s->connections[i];
			bool is_heard = c->fd >= 0 && !c->is_deaf && !c->paused;

			fds[i + 2] =
				(struct pollfd){ .fd = is_heard ? c->fd : -1, .events = POLLIN };
		}
		if (poll(fds, CONNECTIONS_MAX + 2, -1) < 0 && errno != EINTR)
			give_up("poll");
		if (fds[1].revents)
			let_go(s);
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (fds[i + 2].revents && s->connections[i].fd == fds[i + 2].fd)
				receive(s, &s->connections[i]);
		if (fds[0].revents)
			take_connection(s);
	}
}

void canned_serve(int listener, int go, const struct canned_reply *replies, size_t n,
                  struct canned_seen *seen)
{
	struct serving *s = calloc(1, sizeof(*s));
	unsigned *used = calloc(n + 1, sizeof(*used));

	if (!s || !used)
		give_up("calloc");
	*s = (struct serving){ listener, go, replies, n, used, seen, { { 0 } } };
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		s->connections[i].fd = -1;
	serve_all(s);
}
