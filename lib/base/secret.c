/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void bl_wipe(void *bytes, size_t len)
{
	if (len)
		explicit_bzero(bytes, len);
}

int bl_secret_set(struct bl_secret *secret, const char *bytes, size_t len, struct bl_err *err)
{
	char *text = NULL;

	if (len) {
		if (memchr(bytes, '\0', len))
			return bl_fail(err, BL_EINPUT, "a secret with a NUL byte in it");
		text = malloc(len + 1);
		if (!text)
			return bl_fail(err, BL_ENOMEM, "secret: out of memory");
		memcpy(text, bytes, len);
		text[len] = '\0';
	}
	bl_secret_done(secret);
	secret->text = text;
	secret->len = len;
	return 0;
}

int bl_secret_copy(struct bl_secret *to, const struct bl_secret *from, struct bl_err *err)
{
	return bl_secret_set(to, from->text, from->len, err);
}

const char *bl_secret_text(const struct bl_secret *secret)
{
	return secret->text ? secret->text : "";
}

void bl_secret_done(struct bl_secret *secret)
{
	if (secret->text)
		bl_wipe(secret->text, secret->len);
	free(secret->text);
	*secret = (struct bl_secret){ 0 };
}

void bl_buf_wipe(struct bl_buf *buf)
{
	/* what was dropped or reset lies behind len */
	if (buf->data)
		bl_wipe(buf->data, buf->cap);
	bl_buf_done(buf);
}
