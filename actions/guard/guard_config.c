/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guard/guard_parts.h"
#include "base/log.h"
#include "codec/base64.h"
#include "codec/git.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LABEL "train"

void guard_label(const struct guarding *guarding, char label[128])
{
	const char *input = getenv("INPUT_LABEL"), *text = input && *input ? input : LABEL;
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };
	struct bl_found found;

	if (bl_options_config(NULL, NULL, &guarding->args, NULL, &config, &found, &err))
		bl_log_err(BL_LOG_DEBUG, &err); /* what is wrong with it is told later */
	else if (bl_config_has(&config, "label") && *bl_config_text(&config, "label"))
		text = bl_config_text(&config, "label");
	snprintf(label, 128, "%s", text);
}

/* GitHub breaks base64 into lines. */
static int decode(const struct bl_value *doc, struct bl_buf *out, struct bl_err *err)
{
	const char *text = bl_value_text_or(doc, "content", "");
	BL_AUTO(bl_buf) plain = BL_BUF((size_t)BL_CONFIG_FILE_MAX * 2);

	if (strcmp(bl_value_text_or(doc, "encoding", ""), "base64") != 0)
		return bl_fail(err, BL_EINPUT, "%s: it is too large, or no file", BL_CONFIG_FILE);
	while (*text) {
		size_t n = strcspn(text, "\r\n");

		bl_buf_add(&plain, text, n);
		text += n + strspn(text + n, "\r\n");
	}
	if (bl_buf_check(&plain, BL_CONFIG_FILE, err))
		return -1;
	return bl_base64_decode(bl_buf_text(&plain), plain.len, out, err);
}

static int fetch(struct guarding *guarding, struct bl_buf *out, struct bl_err *err)
{
	BL_VALUE doc = NULL;
	char path[128];

	if (!guarding->github)
		return bl_fail(err, BL_ERETRY, "GitHub cannot be asked");
	snprintf(path, sizeof(path), "contents/%s?ref=%s", BL_CONFIG_FILE, guarding->event.sha);
	return bl_github_call(guarding->github, "GET", path, NULL, &doc, err) ||
	                       decode(doc, out, err)
	               ? -1
	               : 0;
}

static bool is_out_of_reach(const struct bl_err *err)
{
	return err->code == BL_ERETRY || err->code == BL_EDENIED;
}

/* *is_there: false where the commit has no such file. */
static int read_file(struct guarding *guarding, struct bl_buf *bytes, bool *is_there,
                     struct bl_err *err)
{
	*is_there = true;
	if (!bl_git_file(".", guarding->event.sha, BL_CONFIG_FILE, bytes, err))
		return 0;
	bl_err_clear(err); /* nothing is checked out, or another commit */
	bl_buf_reset(bytes);
	if (!fetch(guarding, bytes, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	*is_there = false;
	return 0;
}

int guard_config(struct guarding *guarding, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_CONFIG_FILE_MAX);
	BL_AUTO(bl_config) config = { 0 };
	struct guarded *guarded = &guarding->guarded;
	const char *job = *guarding->guard.job ? guarding->guard.job : NULL;
	char name[64];
	bool is_there;

	snprintf(guarded->key, sizeof(guarded->key), "%s", job ? job : "default");
	if (read_file(guarding, &bytes, &is_there, err)) {
		if (!is_out_of_reach(err))
			return bl_wrap(err, "%.7s", guarding->event.sha);
		bl_log_err(BL_LOG_DEBUG, err);
		bl_err_clear(err);
		return 0;
	}
	snprintf(name, sizeof(name), "%.7s:%s", guarding->event.sha, BL_CONFIG_FILE);
	const struct bl_config_input input = {
		.bytes = is_there ? bl_buf_text(&bytes) : NULL,
		.len = bytes.len,
		.file = name,
		.job = job,
		.flags = guarding->args.flags,
		.n_flags = guarding->args.n_flags,
		.environ = (const char *const *)environ,
	};

	if (bl_config_resolve(&input, &config, err))
		return -1;
	snprintf(guarded->key, sizeof(guarded->key), "%s", config.job);
	return 0;
}
