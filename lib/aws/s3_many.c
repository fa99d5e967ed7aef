/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"

#include <stdlib.h>
#include <string.h>

#define AT_ONCE 32
#define STEP_MS 1000
#define ERROR_MAX_BYTES ((size_t)64 << 10)

struct many;

struct slot {
	struct many *many;
	bool busy;
	size_t i; /* of keys */
	struct bl_aws_request request;
	struct bl_aws_reply reply;
};

struct many {
	struct bl_s3 *s3;
	const struct bl_call *call;
	const char *const *keys;
	size_t n, next, under_way, each_max;
	bl_s3_many_fn *fn; /* NULL: HEAD, into objects and known */
	void *arg;
	struct bl_s3_object *objects;
	bool *known;
	struct bl_err failed; /* what ends it */
	struct slot slots[AT_ONCE];
};

static void empty(struct slot *slot)
{
	bl_aws_request_done(&slot->request);
	bl_aws_reply_done(&slot->reply);
	memset(&slot->reply, 0, sizeof(slot->reply));
	slot->busy = false;
}

static int tell(struct many *many, const struct slot *slot, const struct bl_err *why,
                struct bl_err *err)
{
	const struct bl_http_reply *http = &slot->reply.http;
	struct bl_err unsaid = { 0 };

	if (!many->fn) {
		many->known[slot->i] =
			!why->code && !bl_s3_reply_object(http, &many->objects[slot->i], &unsaid);
		return 0;
	}
	if (why->code == BL_ENOENT || http->status == 404)
		return many->fn(many->arg, slot->i, NULL, 0, err);
	if (why->code || http->status != 200 || http->body.len > many->each_max ||
	    bl_s3_check_crc(http, bl_crc64nvme(0, http->body.data, http->body.len), &unsaid))
		return 0;
	return many->fn(many->arg, slot->i, bl_buf_text(&http->body), http->body.len, err);
}

static void came(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct slot *slot = arg;
	struct many *many = slot->many;

	(void)reply;
	many->under_way--;
	if (err->code == BL_ENOMEM || err->code == BL_ETIMEOUT)
		many->failed = *err;
	else if (!many->failed.code && tell(many, slot, err, &many->failed))
		bl_fail(&many->failed, BL_EBUG, "an object was refused without a cause");
	empty(slot);
}

static int start(struct many *many, struct slot *slot, struct bl_err *err)
{
	slot->many = many;
	slot->i = many->next;
	slot->request = BL_AWS_REQUEST;
	if (bl_s3_object_request(many->s3, many->fn ? "GET" : "HEAD",
	                         many->fn ? "GetObject" : "HeadObject", many->keys[slot->i],
	                         many->call, &slot->request, err))
		return -1;
	bl_aws_header(&slot->request, "x-amz-checksum-mode", "ENABLED");
	slot->request.reply_max =
		many->each_max > ERROR_MAX_BYTES ? many->each_max : ERROR_MAX_BYTES;
	if (bl_aws_start(many->s3->aws, &slot->request, &slot->reply, came, slot, err))
		return -1;
	slot->busy = true;
	many->next++;
	many->under_way++;
	return 0;
}

static int run(struct many *many, struct bl_err *err)
{
	while (many->next < many->n || many->under_way) {
		for (size_t i = 0; i < AT_ONCE && many->next < many->n; i++)
			if (!many->slots[i].busy && start(many, &many->slots[i], err))
				return -1;
		if (bl_aws_step(many->s3->aws, STEP_MS, err))
			return -1;
		if (many->failed.code) {
			*err = many->failed;
			return -1;
		}
	}
	return 0;
}

static int do_all(const struct many *wanted, struct bl_err *err)
{
	struct many *many = calloc(1, sizeof(*many));
	int rc;

	if (!many)
		return bl_fail(err, BL_ENOMEM, "ask for %zu objects: out of memory", wanted->n);
	memcpy(many, wanted, sizeof(*many));
	rc = run(many, err);
	for (size_t i = 0; i < AT_ONCE; i++) {
		if (many->slots[i].busy)
			bl_aws_cancel(many->s3->aws, &many->slots[i]);
		empty(&many->slots[i]);
	}
	free(many);
	return rc;
}

int bl_s3_get_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys, size_t n,
                   size_t each_max, bl_s3_many_fn *fn, void *arg, struct bl_err *err)
{
	struct many wanted = { .s3 = s3, .call = call, .keys = keys, .n = n };

	wanted.each_max = each_max;
	wanted.fn = fn;
	wanted.arg = arg;
	return do_all(&wanted, err);
}

int bl_s3_head_many(struct bl_s3 *s3, const struct bl_call *call, const char *const *keys, size_t n,
                    struct bl_s3_object *objects, bool *known, struct bl_err *err)
{
	struct many wanted = { .s3 = s3, .call = call, .keys = keys, .n = n };

	memset(known, 0, n * sizeof(*known));
	wanted.objects = objects;
	wanted.known = known;
	return do_all(&wanted, err);
}
