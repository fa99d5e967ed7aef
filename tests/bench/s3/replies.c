/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/s3/server.h"

#include "codec/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 10000
#define PAGE 1000

/* A token of three parts that nobody verifies, and what STS would give for it. */
#define OIDC_REPLY                                                                                 \
	"{\"value\":\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOm8vcjpwdWxsX3JlcXVlc3QifQ.c2ln\"}"
#define STS_REPLY                                                                                  \
	"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"        \
	"<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>" \
	"t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"              \
	"<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/train/s</Arn>"               \
	"</AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

const char *header(const struct connection *c, const char *name)
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

void s3_answer(struct connection *c)
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
}
