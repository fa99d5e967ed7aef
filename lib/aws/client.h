/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_CLIENT_H
#define BL_AWS_CLIENT_H

#include "aws/creds.h"
#include "aws/endpoint.h"
#include "aws/sigv4.h"
#include "base/call.h"
#include "net/http.h"

/*
 * Signed calls to AWS: credentials, endpoint, signature, retries, clock and region healed, errors
 * with all that AWS said. One thread; blocking (bl_aws_send) or from a poll loop
 * (bl_aws_start, bl_aws_poll, bl_aws_step).
 */
struct bl_aws;

struct bl_aws_options {
	const char *profile, *region; /* NULL: AWS's precedence */
	struct bl_creds *creds;       /* NULL: bl_creds_open() with the above; stays the caller's */
	bool anonymous;               /* sign nothing */
	bool allow_http;
	unsigned max_attempts; /* 0: AWS_MAX_ATTEMPTS, else 3 */
};
BL_MUST int bl_aws_open(const struct bl_aws_options *options, struct bl_aws **out,
                        struct bl_err *err);
void bl_aws_close(struct bl_aws *aws); /* takes NULL; ends what is under way without calling back */
void bl_aws_auto(struct bl_aws **aws);
#define BL_AWS __attribute__((cleanup(bl_aws_auto))) struct bl_aws *

const char *bl_aws_region(const struct bl_aws *aws); /* "" when nothing names one */
struct bl_creds *bl_aws_creds(struct bl_aws *aws);   /* NULL when anonymous */
struct bl_http *bl_aws_http(struct bl_aws *aws);
BL_MUST int bl_aws_endpoint(struct bl_aws *aws, const char *service, const char *region,
                            struct bl_endpoint *out, struct bl_err *err);

/*
 * Whether "UNSIGNED-PAYLOAD" becomes the body's real hash: at a plain http endpoint, unless it is
 * loopback and BRANCHLINE_S3_UNSIGNED=1 (which is for measuring).
 */
bool bl_aws_hashes_bodies(struct bl_aws *aws, const char *service);

enum bl_aws_protocol { BL_AWS_QUERY, BL_AWS_JSON, BL_AWS_S3 };

/*
 * One operation. Zero-initialise with BL_AWS_REQUEST, fill, send, _done. The buffers latch: one
 * check inside send.
 */
struct bl_aws_request {
	const char *service;   /* of endpoint and signature: "sts", "s3" */
	const char *operation; /* "PutObject": for messages and x-amz-target */
	enum bl_aws_protocol protocol;
	const char *method;
	const char *region;       /* NULL: the client's */
	const char *host_prefix;  /* "bucket." in front of the endpoint's host; NULL: none */
	struct bl_buf path;       /* encoded; empty: "/" */
	struct bl_pair query[16]; /* decoded; texts stay valid until done */
	size_t n_query;
	struct bl_buf headers; /* "name: value\n", lower case; all are signed */
	const void *bytes;     /* body, or */
	bl_http_read_fn *read; /* ... */
	uint64_t size;
	const char
		*payload_hash; /* NULL: of `bytes`; "UNSIGNED-PAYLOAD" becomes the real hash of the
	                             body (read through) where the endpoint is plain http */
	bl_http_write_fn *write; /* body of a 2xx, at each attempt from the start: see restart */
	int (*restart)(void *arg,
	               struct bl_err *err); /* before each attempt; NULL: nothing to undo */
	void *arg;
	size_t reply_max;   /* 0: 8 MiB */
	bool unsafe;        /* not to be repeated after a lost reply: BL_EIO then, not BL_ERETRY */
	bool body_may_fail; /* a 200 may carry <Error> (CompleteMultipartUpload, CopyObject) */
	struct bl_call call;
};
#define BL_AWS_REQUEST ((struct bl_aws_request){ .path = BL_BUF(4096), .headers = BL_BUF(16384) })
void bl_aws_request_done(struct bl_aws_request *request);
void bl_aws_header(struct bl_aws_request *request, const char *name, const char *value);
void bl_aws_query(struct bl_aws_request *request, const char *name, const char *value);

struct bl_aws_reply {
	struct bl_http_reply http;
	char code[96];       /* of an error: "NoSuchKey" */
	char message[256];   /* of it: what the service said */
	char request_id[96]; /* of it */
	unsigned attempts;
};
void bl_aws_reply_done(struct bl_aws_reply *reply);

/*
 * 0 for a 2xx. Else err says "s3 PutObject: HTTP 403 AccessDenied: MESSAGE (request ID abc, 1
 * attempt)" with its code by bl_aws_code() and a next step by bl_advise(); reply->code is what to
 * branch on. BL_ETIMEOUT: the call's deadline would pass before another attempt, or nothing moved
 * for 60 s. BL_EDENIED also for a redirect to what is not AWS. What `restart`, `read` or `write`
 * said, in this context. reply zeroed by the caller.
 */
BL_MUST int bl_aws_send(struct bl_aws *aws, struct bl_aws_request *request,
                        struct bl_aws_reply *reply, struct bl_err *err);

typedef void bl_aws_done_fn(void *arg, struct bl_aws_reply *reply, struct bl_err *err);
/*
 * Both stay the caller's until done, which comes from a later step, once, when neither is used any
 * more. Failures to start come there too, but for BL_ENOMEM. done may start and cancel calls.
 */
BL_MUST int bl_aws_start(struct bl_aws *aws, struct bl_aws_request *request,
                         struct bl_aws_reply *reply, bl_aws_done_fn *done, void *done_arg,
                         struct bl_err *err);
/* Ends all calls with that done_arg without calling back. Not from their own read or write:
 * those return -1. */
void bl_aws_cancel(struct bl_aws *aws, void *done_arg);
size_t bl_aws_poll(struct bl_aws *aws, struct pollfd *fds, size_t n, int *timeout_ms);
BL_MUST int bl_aws_step(struct bl_aws *aws, int timeout_ms, struct bl_err *err);
size_t bl_aws_under_way(const struct bl_aws *aws);

/*
 * The server's clock less ours when the reply came; 0 when they differ by less than 4 min, or it
 * does not say. For times in a reply that are to be compared with ours.
 */
int64_t bl_aws_offset_ms(const struct bl_aws_reply *reply);

/* Seconds by which AWS's clock was found to be ahead of ours; 0 unless healed. */
int64_t bl_aws_skew_s(const struct bl_aws *aws);

#endif
