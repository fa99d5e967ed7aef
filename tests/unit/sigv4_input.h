/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_SIGV4_INPUT_H
#define BL_TESTS_SIGV4_INPUT_H

#include "aws/sigv4.h"
#include "codec/value.h"

/*
 * A request to sign, as the cases in tests/unit/data/sigv4 and the lines of `test_sigv4 --sign`
 * write it:
 *
 *   {"method","path","query":[[NAME,VALUE or null]..],"headers":[[NAME,VALUE]..],"hash","region",
 *    "service","s3":BOOL,"ms","access_key","secret","token" or none,"expires"}
 */
struct sign_input {
	struct bl_value *root;
	struct bl_pair query[BL_SIGN_PAIRS_MAX + 8], headers[BL_SIGN_PAIRS_MAX + 8];
	struct bl_secret secret, token;
	struct bl_sign sign;
	unsigned expires_s;
};
BL_MUST int sign_input_read(const char *json, size_t len, struct sign_input *out,
                            struct bl_err *err);
void sign_input_done(struct sign_input *input);

/* What a signer says of it, stage by stage. */
struct sign_stages {
	struct bl_buf canonical, string, lines; /* signed by header */
	struct bl_buf query, query_canonical;   /* presigned */
};
#define SIGN_STAGES                                                                                \
	((struct sign_stages){ .canonical = BL_BUF(1 << 20),                                       \
	                       .string = BL_BUF(1 << 20),                                          \
	                       .lines = BL_BUF(1 << 20),                                           \
	                       .query = BL_BUF(1 << 20),                                           \
	                       .query_canonical = BL_BUF(1 << 20) })
void sign_stages_done(struct sign_stages *stages);
BL_MUST int sign_stages_of(const struct sign_input *input, struct bl_sign_key *key,
                           struct sign_stages *out, struct bl_err *err);

#endif
