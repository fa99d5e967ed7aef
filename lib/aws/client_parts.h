/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_CLIENT_PARTS_H
#define BL_AWS_CLIENT_PARTS_H

#include "aws/client.h"
#include "aws/retry.h"
#include "net/url.h"

/* What the files of the client share, and what its tests look into. */

#define BL_AWS_SKEW_MS ((int64_t)4 * 60 * 1000) /* less is not worth a second try */
#define BL_AWS_STILL_MS 60000                   /* without a deadline: how long nothing may move */

/* --- client_error.c: what a reply says ------------------------------------------------------- */

struct bl_aws_error {
	char code[96], message[256], request_id[96];
	char region[BL_REGION_SIZE]; /* that the reply names: the bucket's; "" none */
};

/*
 * Pure: code, message and ids of an error of any protocol, from headers and body; what cannot be
 * read is "". -1: BL_ENOMEM alone.
 */
BL_MUST int bl_aws_error_read(const struct bl_http_reply *reply, struct bl_aws_error *out,
                              struct bl_err *err);

/*
 * Pure: whether a 2xx is one. Its body may be an <Error>: then out is filled; or no document at
 * all: then out->code is "". -1: BL_ENOMEM alone.
 */
BL_MUST int bl_aws_body_is_error(const struct bl_http_reply *reply, struct bl_aws_error *out,
                                 bool *is_error, struct bl_err *err);

/* --- client_decide.c: what follows ----------------------------------------------------------- */

enum bl_aws_act {
	BL_AWS_END,    /* the failure is the caller's */
	BL_AWS_REPEAT, /* by retry.h, as `kind` says */
	BL_AWS_HEAL,   /* take the server's clock, sign once more */
	BL_AWS_RENEW,  /* new credentials, once */
	BL_AWS_REGION, /* to `region`, once */
	BL_AWS_FOLLOW, /* to `host`, once */
	BL_AWS_REFUSE, /* a redirect to what is not AWS */
};

struct bl_aws_facts {
	int status;        /* 0: no whole reply */
	enum bl_code lost; /* of the transport */
	bool sent;         /* some of it may have reached the server */
	const char *code;
	bool is_head; /* its errors have no body */
	bool unsafe;
	bool has_token;    /* signed with credentials that expire */
	bool moved;        /* was sent to another region or host already */
	bool custom;       /* the endpoint was named by somebody */
	int64_t offset_ms; /* the server's clock less that which it was signed with */
	const char *signed_region;
	const char *region;   /* that the reply names, "" none */
	const char *location; /* "" none */
};

struct bl_aws_verdict {
	enum bl_aws_act act;
	enum bl_retry_kind kind;
	char region[BL_REGION_SIZE]; /* REGION; also FOLLOW where the host tells */
	char host[256];              /* FOLLOW: "host" or "host:port" */
};

void bl_aws_decide(const struct bl_aws_facts *facts, struct bl_aws_verdict *out);

/* "eu-west-1" from "bucket.s3.eu-west-1.amazonaws.com"; "" when the host does not tell. */
void bl_aws_region_of_host(const char *host, char region[BL_REGION_SIZE]);

/* --- The client ------------------------------------------------------------------------------- */

/* An endpoint in parts, with the key for signing there. */
struct bl_aws_place {
	char service[32], region[BL_REGION_SIZE];
	char sign_region[BL_REGION_SIZE]; /* never "" */
	struct bl_endpoint endpoint;
	char authority[300]; /* as in a Host header */
	char base[256];      /* path in front of all others, mostly "" */
	bool tls;
	bool bare; /* a body needs no hash in the signature */
	struct bl_sign_key key;
};
#define BL_AWS_PLACES 8

/* A bucket that turned out to be in another region. */
struct bl_aws_moved {
	char bucket[72];
	char region[BL_REGION_SIZE];
};
#define BL_AWS_MOVED 8

struct bl_aws_call {
	struct bl_aws *aws;
	struct bl_aws_request *request;
	struct bl_aws_reply *reply;
	bl_aws_done_fn *done;
	void *done_arg;
	struct bl_aws_call *next, *prev;
	struct bl_http_call
		*http;         /* NULL: waits for due_mono_ms, then the next attempt or the end */
	bool failed;           /* ends with err when due */
	int64_t due_mono_ms;   /* when to look at it again */
	int64_t moved_mono_ms; /* when bytes were last seen to move */
	uint64_t moved_seen, bytes_moved;
	uint64_t received, total_bytes; /* of the reply's body; 0: not known */
	struct bl_retry retry;
	unsigned attempts;
	unsigned long creds_serial; /* signed with these */
	int64_t skew_ms;            /* signed with this */
	char signed_region[BL_REGION_SIZE];
	char region[BL_REGION_SIZE]; /* a reply named it; "" none */
	char host[256];              /* a redirect led there; "" none */
	bool moved, has_token, healed, custom;
	char invocation[37];
	char hash[65]; /* of the body, once known */
	struct bl_err err;
};

struct bl_aws {
	struct bl_http *http;
	struct bl_profiles *profiles;
	char profile[128], region[BL_REGION_SIZE];
	struct bl_creds *creds;
	bool owns_creds, anonymous;
	unsigned max_attempts;
	struct bl_retry_bucket bucket;
	int64_t skew_ms;
	double (*random)(void); /* in [0,1]; tests put their own here */
	struct bl_aws_place places[BL_AWS_PLACES];
	unsigned n_places;
	struct bl_aws_moved moved[BL_AWS_MOVED];
	unsigned n_moved;
	/* what the places' keys were derived from */
	char access_key[129];
	struct bl_secret secret, token;
	unsigned long creds_serial;
	unsigned char invocation[16];
	uint64_t invocations;
	struct bl_buf lines, url, scratch; /* of one attempt; kept for their memory */
	struct bl_aws_call *calls;
	size_t n_calls;
	int64_t next_due_mono_ms;
};

/* client.c: the endpoint, from the cache where it was asked before. Valid until the next one. */
BL_MUST int bl_aws_place(struct bl_aws *aws, const char *service, const char *region,
                         struct bl_aws_place **out, struct bl_err *err);
/* The bucket of a request of S3: by host prefix, else the path's first part; false: none. */
bool bl_aws_bucket(const struct bl_aws_request *request, char *bucket, size_t size);
const char *bl_aws_moved_region(const struct bl_aws *aws, const struct bl_aws_request *request);
void bl_aws_remember_region(struct bl_aws *aws, const struct bl_aws_request *request,
                            const char *region);

/* client_attempt.c: builds, signs and starts one attempt; done is called with the call. */
BL_MUST int bl_aws_attempt(struct bl_aws_call *call, bl_http_done_fn *done, struct bl_err *err);

/*
 * client_judge.c: after an attempt, with what the transport said in err. True: another is due after
 * *wait_ms, and err is clean. False: err is the call's.
 */
bool bl_aws_judge(struct bl_aws_call *call, int64_t *wait_ms, struct bl_err *err);

#endif
