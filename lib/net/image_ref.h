/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_IMAGE_REF_H
#define BL_NET_IMAGE_REF_H

#include "codec/oci.h"

/*
 * "registry.example:5000/team/name:tag@sha256:..." in parts. A name without a registry is Docker
 * Hub's ("python" is docker.io/library/python). Neither tag nor digest: both "".
 */
struct bl_image_ref {
	char registry
		[256]; /* as in messages and tools' configurations: "docker.io", "localhost:5000" */
	char repository[256]; /* "library/python" */
	char tag[129];
	char digest[BL_DIGEST_SIZE];
};

/* Pure. BL_EINPUT says which part is wrong and what is allowed: upper case in the name, a tag over
 * 128 bytes, a scheme in front ("write it without https://"). */
BL_MUST int bl_image_ref_parse(const char *text, struct bl_image_ref *out, struct bl_err *err);
/* "registry/repository", then ":tag" and "@digest" where set. */
void bl_image_ref_add(struct bl_buf *buf, const struct bl_image_ref *ref);
/* 1 to 128 of [A-Za-z0-9_.-], not beginning with '.' or '-'. */
bool bl_image_tag_valid(const char *tag);
/* Host that serves it: "registry-1.docker.io" for docker.io, else itself. */
const char *bl_image_ref_host(const struct bl_image_ref *ref);

/* ACCOUNT.dkr.ecr.REGION.amazonaws.com and its like (-fips, .cn, ecr-fips, dkr-ecr of dual-stack):
 * false: another registry. */
struct bl_ecr_name {
	char account[13], region[32];
};
bool bl_image_ref_ecr(const char *registry, struct bl_ecr_name *out);

#endif
