/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/kept.h"

#include "base/fs.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR "branchline/"

/* NULL: there is none. */
static const char *temp_dir(void)
{
	const char *dir = getenv("RUNNER_TEMP");

	return dir && *dir ? dir : NULL;
}

int kept_write(const char *name, const struct bl_buf *text, struct bl_err *err)
{
	char path[64];
	BL_FD dir = -1;

	if (!temp_dir())
		return 0;
	snprintf(path, sizeof(path), DIR "%s", name);
	if (bl_buf_check(text, name, err) || bl_fs_open_dir(temp_dir(), &dir, err) ||
	    bl_fs_replace(dir, path, bl_buf_text(text), text->len, 0600, err))
		return bl_wrap(err, "leave %s for later steps", name);
	return 0;
}

int kept_read(const char *name, struct bl_value **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(KEPT_MAX);
	char path[64];
	BL_FD dir = -1;

	if (!temp_dir())
		return bl_fail(err, BL_ENOENT, "RUNNER_TEMP is not set");
	snprintf(path, sizeof(path), DIR "%s", name);
	if (bl_fs_open_dir(temp_dir(), &dir, err) || bl_fs_read(dir, path, &bytes, err))
		return bl_wrap(err, "RUNNER_TEMP");
	return bl_json_document(bl_buf_text(&bytes), bytes.len, name, 1, out, err);
}

int kept_texts(const struct bl_value *doc, const char *what, const struct kept_text *table,
               size_t n, void *into, struct bl_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = bl_value_text_or(doc, table[i].member, "");
		size_t len = strlen(text);

		if (len >= table[i].size)
			return bl_fail(err, BL_ECORRUPT, "%s: %s is over %zu bytes", what,
			               table[i].member, table[i].size - 1);
		memcpy((char *)into + table[i].offset, text, len + 1);
	}
	return 0;
}
