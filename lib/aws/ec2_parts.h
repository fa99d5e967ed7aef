/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_EC2_PARTS_H
#define BL_AWS_EC2_PARTS_H

#include "aws/ec2.h"
#include "codec/xml.h"

/*
 * Parameters of one operation, in order: as the form that is sent, or decoded, one a line, for
 * people and for the record. The buffer latches.
 */
struct bl_ec2_form {
	struct bl_buf *out;
	bool for_people;
};
/* Action and Version. */
void bl_ec2_begin(struct bl_ec2_form *form, const char *operation);
/* The name by printf, the value as it is. */
void bl_ec2_add(struct bl_ec2_form *form, const char *value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
/* "InstanceId.1=...", up to n */
void bl_ec2_add_each(struct bl_ec2_form *form, const char *name, const char *const *values,
                     size_t n);
/* "Filter.N.Name" and its values, separated by ','. */
void bl_ec2_add_filter(struct bl_ec2_form *form, unsigned number, const char *name,
                       const char *values);
/* One filter over many values. */
void bl_ec2_add_filter_each(struct bl_ec2_form *form, unsigned number, const char *name,
                            const char *const *values, size_t n);

#define BL_EC2_FORM_MAX ((size_t)256 << 10)

/*
 * One call. deadline_ms: of the whole, 0: 30 s. stop (may be NULL): when it becomes non-zero the
 * reply is waited for BL_EC2_STOP_MS more, then BL_ECANCELLED. Errors are coded for EC2: BL_EINPUT
 * for Invalid*, Missing*, Unknown*; BL_ENOENT for *NotFound.
 */
#define BL_EC2_STOP_MS 1500
struct bl_ec2_call {
	const char *operation;
	const struct bl_buf *form;
	int deadline_ms;
	const volatile int *stop;
};
BL_MUST int bl_ec2_send(struct bl_aws *aws, const struct bl_ec2_call *call,
                        struct bl_aws_reply *reply, struct bl_err *err);

/* All pages of a Describe operation, read by fn. form: without NextToken. */
BL_MUST int bl_ec2_pages(struct bl_aws *aws, const char *operation, const struct bl_buf *form,
                         bl_xml_fn *fn, void *arg, struct bl_err *err);

/* What follows "PREFIX/" in path; "" for PREFIX itself; NULL: it is elsewhere. */
const char *bl_ec2_below(const char *path, const char *prefix);
/* Whole, or BL_ECORRUPT. */
BL_MUST int bl_ec2_text(const char *text, char *out, size_t size, struct bl_err *err);
/* For people: cut where it does not fit, without control characters. */
void bl_ec2_words(const char *text, char *out, size_t size);
int64_t bl_ec2_int(const char *text);  /* 0: it is none */
double bl_ec2_price(const char *text); /* NaN: it is none */

/* Makes room for one more item of `size` bytes after n; NULL: out of memory, and items stays. */
void *bl_ec2_room(void *items, size_t n, size_t size, struct bl_err *err);
BL_MUST int bl_ec2_add_tag(struct bl_ec2_tag **tags, size_t *n, const char *key, const char *value,
                           struct bl_err *err);
void bl_ec2_tags_done(struct bl_ec2_tag **tags, size_t *n);

#endif
