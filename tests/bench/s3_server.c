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
#include "base/err.h"
#include "codec/hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BIG_BYTES ((uint64_t)1 << 30)
#define SMALL_BYTES ((uint64_t)64 << 10)
#define PATTERN_BYTES ((uint64_t)16 << 20) /* divides BIG_BYTES */
#define KEYS 10000
#define PAGE 1000
#define HEAD_MAX ((size_t)32 << 10)
#define SINK_BYTES ((size_t)256 << 10)
#define CONNECTIONS_MAX 1024

/* A token of three parts that nobody verifies, and what STS would give for it. */
#define OIDC_REPLY                                                                                 \
	"{\"value\":\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOm8vcjpwdWxsX3JlcXVlc3QifQ.c2ln\"}"
#define STS_REPLY                                                                                  \
	"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"        \
	"<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>" \
	"t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"              \
	"<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/train/s</Arn>"               \
	"</AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

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

static struct {
	int epoll, memory;
	int64_t delay_ms;
	bool md5;
	uint64_t crc_big, crc_small;
	unsigned long lists, heads, gets, puts, others;
	uint64_t bytes_in, bytes_out;
	struct connection *due, **due_tail; /* the delay is the same for all: in order */
	char sink[SINK_BYTES];
} server = { .due_tail = &server.due };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *what)
{
	perror(what);
	exit(70);
}

/* The value of a header in the request's head, or NULL. name: "\r\nrange:". */
static const char *header(const struct connection *c, const char *name)
{
	const char *at = strcasestr(c->head, name);

	return at ? at + strlen(name) : NULL;
}

/* Value of a query parameter of the request line, -1 when absent. */
static long query_number(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void reply(struct connection *c, const char *status, const char *headers, const char *body)
{
	size_t size = strlen(headers) + strlen(body) + 256;

	free(c->out);
	c->out = malloc(size);
	if (!c->out)
		die("malloc");
	c->out_len = (size_t)snprintf(
		c->out, size, "HTTP/1.1 %s\r\nServer: null\r\n%sContent-Length: %zu\r\n\r\n%s",
		status, headers, strlen(body), body);
	c->out_sent = 0;
	c->file_left = 0;
}

static void reply_object(struct connection *c, const char *line, bool with_body)
{
	bool big = strstr(line, "/1g") != NULL;
	uint64_t size = big ? BIG_BYTES : SMALL_BYTES, from = 0, to = size - 1;
	const char *range = header(c, "\r\nrange: bytes=");
	char crc[BL_CRC64_TEXT], part[96] = "";
	char *end;

	if (range) {
		from = strtoull(range, &end, 10);
		to = *end == '-' && end[1] >= '0' && end[1] <= '9' ? strtoull(end + 1, NULL, 10)
		                                                   : to;
		to = to < size ? to : size - 1;
		snprintf(part, sizeof(part), "Content-Range: bytes %llu-%llu/%llu\r\n",
		         (unsigned long long)from, (unsigned long long)to,
		         (unsigned long long)size);
	}
	bl_crc64nvme_text(big ? server.crc_big : server.crc_small, crc);
	free(c->out);
	c->out = malloc(1024);
	if (!c->out)
		die("malloc");
	c->out_len = (size_t)snprintf(
		c->out, 1024,
		"HTTP/1.1 %s\r\nServer: null\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
		"ETag: \"0123456789abcdef0123456789abcdef-1\"\r\nAccept-Ranges: bytes\r\n%s%s%s%s"
		"Content-Length: %llu\r\n\r\n",
		range ? "206 Partial Content" : "200 OK", part,
		range ? "" : "x-amz-checksum-crc64nvme: ", range ? "" : crc, range ? "" : "\r\n",
		(unsigned long long)(to - from + 1));
	c->out_sent = 0;
	c->file_at = from;
	c->file_left = with_body ? to - from + 1 : 0;
}

static size_t add_listed(char *to, size_t room, const char *key, uint64_t size)
{
	return (size_t)snprintf(
		to, room,
		"<Contents><Key>%s</Key><LastModified>2024-01-01T00:00:00.000Z"
		"</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef-1&quot;"
		"</ETag><Size>%llu</Size><StorageClass>STANDARD</StorageClass>"
		"</Contents>",
		key, (unsigned long long)size);
}

/* Both versions of the list: the next page's first number is the token, its last key the marker. */
static void reply_list(struct connection *c, const char *line)
{
	const char *after = strstr(line, "start-after=small%2F"),
		   *marker = strstr(line, "marker=small%2F");
	long first = query_number(line, "continuation-token="), end;
	static char body[PAGE * 320 + 1024];
	char key[32], next[128] = "";
	size_t n;

	if (after || marker)
		first = strtol(strstr(after ? after : marker, "%2F") + 3, NULL, 10) + 1;
	first = first < 0 ? 0 : first;
	end = !strstr(line, "prefix=small") ? first : first + PAGE < KEYS ? first + PAGE : KEYS;
	if (end > first && end < KEYS)
		snprintf(next, sizeof(next),
		         "<NextContinuationToken>%ld</NextContinuationToken><NextMarker>small/%05ld"
		         "</NextMarker>",
		         end, end - 1);
	n = (size_t)snprintf(body, sizeof(body),
	                     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns="
	                     "\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>"
	                     "</Prefix><MaxKeys>1000</MaxKeys><IsTruncated>%s</IsTruncated>%s",
	                     *next ? "true" : "false", next);
	for (long i = first; i < end; i++) {
		snprintf(key, sizeof(key), "small/%05ld", i);
		n += add_listed(body + n, sizeof(body) - n, key, SMALL_BYTES);
	}
	if (strstr(line, "prefix=big"))
		n += add_listed(body + n, sizeof(body) - n, "big/1g", BIG_BYTES);
	snprintf(body + n, sizeof(body) - n, "</ListBucketResult>");
	reply(c, "200 OK", "Content-Type: application/xml\r\n", body);
}

static void reply_put(struct connection *c)
{
	char headers[96] = "ETag: \"0123456789abcdef0123456789abcdef\"\r\n", hex[33];
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (c->md5 && EVP_DigestFinal_ex(c->md5, raw, &len)) {
		for (unsigned i = 0; i < 16; i++)
			snprintf(hex + 2 * i, 3, "%02x", raw[i]);
		snprintf(headers, sizeof(headers), "ETag: \"%s\"\r\n", hex);
	}
	reply(c, "200 OK", headers, "");
}

static void reply_counts(struct connection *c)
{
	char body[256];

	snprintf(body, sizeof(body), "%lu %lu %lu %lu %lu %llu %llu\n", server.lists, server.heads,
	         server.gets, server.puts, server.others, (unsigned long long)server.bytes_in,
	         (unsigned long long)server.bytes_out);
	server.lists = server.heads = server.gets = server.puts = server.others = 0;
	server.bytes_in = server.bytes_out = 0;
	reply(c, "200 OK", "", body);
}

static void reply_post(struct connection *c, const char *line)
{
	server.others++;
	if (strstr(line, "uploads"))
		reply(c, "200 OK", "",
		      "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u1"
		      "</UploadId></InitiateMultipartUploadResult>");
	else if (strstr(line, "uploadId"))
		reply(c, "200 OK", "",
		      "<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>"
		      "&quot;0123456789abcdef0123456789abcdef-1&quot;</ETag>"
		      "</CompleteMultipartUploadResult>");
	else
		reply(c, "200 OK", "", "<DeleteResult></DeleteResult>");
}

/* What the whole request asks for. */
static void answer(struct connection *c)
{
	char *end = strstr(c->head, "\r\n");
	char line[2048];

	snprintf(line, sizeof(line), "%.*s", (int)(end - c->head), c->head);
	if (!strncmp(line, "GET /_counts", 12)) {
		reply_counts(c);
	} else if (!strncmp(line, "GET /_oidc", 10)) {
		server.others++;
		reply(c, "200 OK", "", OIDC_REPLY);
	} else if (!strncmp(line, "POST / ", 7)) {
		server.others++;
		reply(c, "200 OK", "", STS_REPLY);
	} else if (!strncmp(line, "PUT ", 4)) {
		server.puts++;
		reply_put(c);
	} else if (!strncmp(line, "HEAD ", 5)) {
		server.heads++;
		if (strstr(line, "/1g") || strstr(line, "/0"))
			reply_object(c, line, false);
		else
			reply(c, "404 Not Found", "", "");
	} else if (!strncmp(line, "POST ", 5)) {
		reply_post(c, line);
	} else if (!strncmp(line, "DELETE ", 7)) {
		server.others++;
		reply(c, "204 No Content", "", "");
	} else if (strstr(line, "?location")) {
		server.others++;
		reply(c, "200 OK", "", "<LocationConstraint></LocationConstraint>");
	} else if (strstr(line, "?uploads") || strstr(line, "&uploads")) {
		server.others++;
		reply(c, "200 OK", "",
		      "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
		      "</ListMultipartUploadsResult>");
	} else if (strstr(line, "list-type=") || strstr(line, "prefix=") ||
	           strstr(line, "max-keys=")) {
		server.lists++;
		reply_list(c, line);
	} else {
		server.gets++;
		reply_object(c, line, true);
	}
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
