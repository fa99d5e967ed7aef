/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/workflow.h"

#include "base/env.h"
#include "base/fs.h"
#include "base/secret.h"
#include "base/str.h"
#include "codec/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)
#define DELIMITER_BYTES 16
#define DELIMITER_SIZE (sizeof("branchline_") + (size_t)2 * DELIMITER_BYTES)

static bool is_name(const char *name)
{
	const char *at = name;

	if ((*at < 'A' || *at > 'Z') && (*at < 'a' || *at > 'z') && *at != '_')
		return false;
	while ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') ||
	       (*at >= '0' && *at <= '9') || *at == '_' || *at == '-')
		at++;
	return !*at;
}

/* The runner ends lines at LF, CR LF and CR. */
static bool has_line(const char *value, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = value;; at++) {
		size_t n = strcspn(at, "\r\n");

		if (n == len && !memcmp(at, line, len))
			return true;
		at += n;
		if (!*at)
			return false;
	}
}

int workflow_entry(const char *name, const char *value, const char *delimiter, struct bl_buf *out,
                   struct bl_err *err)
{
	if (!is_name(name))
		return bl_fail(err, BL_EINPUT, "'%.64s' is no variable's name", name);
	if (has_line(value, delimiter))
		return bl_fail(err, BL_EINPUT, "%.64s: a line of its value is its delimiter", name);
	bl_buf_adds(out, name);
	bl_buf_adds(out, "<<");
	bl_buf_adds(out, delimiter);
	bl_buf_addc(out, '\n');
	bl_buf_adds(out, value);
	bl_buf_addc(out, '\n');
	bl_buf_adds(out, delimiter);
	bl_buf_addc(out, '\n');
	return bl_buf_check(out, name, err);
}

static int add_pair(enum workflow_file file, const struct workflow_pair *pair, struct bl_buf *out,
                    struct bl_err *err)
{
	char delimiter[DELIMITER_SIZE] = "branchline_";
	unsigned char random[DELIMITER_BYTES];

	if (file == WORKFLOW_ENV &&
	    (bl_str_starts(pair->name, "GITHUB_") || bl_str_starts(pair->name, "RUNNER_") ||
	     !strcmp(pair->name, "NODE_OPTIONS")))
		return bl_fail(err, BL_EINPUT, "%.64s is not for steps to set", pair->name);
	if (bl_random(random, sizeof(random), err))
		return -1;
	bl_hex(random, sizeof(random), delimiter + strlen("branchline_"));
	return workflow_entry(pair->name, pair->value, delimiter, out, err);
}

static int append(const char *variable, const char *path, const struct bl_buf *text,
                  struct bl_err *err)
{
	BL_FD fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600);

	if (fd < 0) {
		bl_fail_errno(err, errno, "%s '%.200s'", variable, path);
		return bl_recode(err, BL_EIO); /* BL_ENOENT says that there is no such step */
	}
	return bl_fs_write(fd, bl_buf_text(text), text->len, err);
}

int workflow_write(enum workflow_file file, const struct workflow_pair *pairs, size_t n,
                   struct bl_err *err)
{
	const char *variable = file == WORKFLOW_ENV ? "GITHUB_ENV" : "GITHUB_OUTPUT";
	const char *path = getenv(variable);
	BL_SECRET_BUF text = BL_BUF(FILE_MAX);

	if (!path || !*path)
		return bl_fail(err, BL_ENOENT, "%s is not set: this is no step of a workflow",
		               variable);
	for (size_t i = 0; i < n; i++)
		if (add_pair(file, &pairs[i], &text, err))
			return bl_wrap(err, "%s", variable);
	return append(variable, path, &text, err);
}

int workflow_event(struct bl_buf *out, bool *there, struct bl_err *err)
{
	const char *path = getenv("GITHUB_EVENT_PATH");

	*there = path && *path;
	if (*there && bl_fs_read_path(path, out, err))
		return bl_wrap(err, "GITHUB_EVENT_PATH");
	return 0;
}

int workflow_summary(const struct bl_buf *text, struct bl_err *err)
{
	const char *path = getenv("GITHUB_STEP_SUMMARY");

	if (!path || !*path)
		return 0;
	return append("GITHUB_STEP_SUMMARY", path, text, err);
}

void workflow_job_url(char out[WORKFLOW_URL_SIZE])
{
	const char *server = bl_env("GITHUB_SERVER_URL"), *repository = bl_env("GITHUB_REPOSITORY"),
		   *run = bl_env("GITHUB_RUN_ID");
	int n;

	if (!*server)
		server = "https://github.com";
	n = snprintf(out, WORKFLOW_URL_SIZE, "%s/%s/actions/runs/%s", server, repository, run);
	if (n >= WORKFLOW_URL_SIZE || !bl_str_starts(server, "http") || !*repository || !*run ||
	    run[strspn(run, "0123456789")])
		out[0] = '\0';
}

void workflow_escape(struct bl_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\r' || *text == '\n')
			bl_buf_addf(out, "%%%02X", (unsigned char)*text);
		else
			bl_buf_addc(out, *text);
	}
}

/* Not through stdio, whose buffer nobody wipes. */
int workflow_mask(const char *value, struct bl_err *err)
{
	BL_SECRET_BUF text = BL_BUF(FILE_MAX), line = BL_BUF(FILE_MAX);

	while (*value) {
		size_t n = strcspn(value, "\r\n");

		bl_buf_reset(&line);
		bl_buf_add(&line, value, n);
		if (n) {
			bl_buf_adds(&text, "::add-mask::");
			workflow_escape(&text, bl_buf_text(&line));
			bl_buf_addc(&text, '\n');
		}
		value += n + (value[n] != '\0');
	}
	if (bl_buf_check(&line, "mask", err) || bl_buf_check(&text, "mask", err))
		return -1;
	fflush(stdout);
	return bl_fs_write(STDOUT_FILENO, bl_buf_text(&text), text.len, err);
}
