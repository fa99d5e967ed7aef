/* SPDX-License-Identifier: Apache-2.0 */
/* A name that is taken can be written again and means the same; ECR is known by its host alone. */
#include "net/image_ref.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void write_again(const struct bl_image_ref *ref)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_image_ref again;
	struct bl_err err = { 0 };

	bl_image_ref_add(&text, ref);
	must(!bl_buf_check(&text, "name", &err));
	must(!bl_image_ref_parse(bl_buf_text(&text), &again, &err));
	must(!strcmp(again.registry, ref->registry) && !strcmp(again.repository, ref->repository));
	must(!strcmp(again.tag, ref->tag) && !strcmp(again.digest, ref->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	struct bl_image_ref ref = { 0 };
	struct bl_ecr_name ecr = { 0 };
	struct bl_err err = { 0 };

	must(text);
	memcpy(text, data, size);
	if (!bl_image_ref_parse(text, &ref, &err)) {
		must(ref.registry[0] && ref.repository[0]);
		must(!ref.tag[0] || bl_image_tag_valid(ref.tag));
		must(!ref.digest[0] || bl_digest_valid(ref.digest));
		/* it becomes part of a path as it is */
		must(!strstr(ref.repository, "..") && !strpbrk(ref.repository, "?#%\\ "));
		must(*bl_image_ref_host(&ref));
		write_again(&ref);
		if (bl_image_ref_ecr(ref.registry, &ecr))
			must(strlen(ecr.account) == 12 && ecr.region[0]);
	} else {
		must(err.code == BL_EINPUT && err.text[0] && !ref.registry[0]);
	}
	bl_image_ref_ecr(text, &ecr);
	free(text);
	return 0;
}
