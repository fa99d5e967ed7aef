/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/image_build_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#define ROOM_LEAST ((uint64_t)2 << 30)
#define ROOM_WANTED ((uint64_t)25 << 30) /* CUDA and PyTorch: base, layer, and the layout */

#define FREE_BUILDERS "`buildah prune --all` or `docker system prune --all` frees old images"
#define FREE_GITHUB                                                                                \
	"a step before: sudo rm -rf /usr/share/dotnet /usr/local/lib/android /opt/ghc "            \
	"/opt/hostedtoolcache/CodeQL"

/* --- Of a failed build ------------------------------------------------------------------------ */

/* The last line that begins so, in any case; NULL: none. */
static const char *last_line(const char *said, const char *with)
{
	const char *found = NULL;

	for (const char *line = said; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncasecmp(line, with, strlen(with)))
			found = line;
	}
	return found;
}

/* What the reader needs of it, fit for one line of a message. */
static void add_line(struct bl_buf *to, const char *line)
{
	size_t len = strcspn(line, "\r\n");

	if (len > 300)
		len = 300;
	bl_utf8_add(to, line, len);
	for (size_t i = 0; i < to->len && to->data; i++)
		if ((unsigned char)to->data[i] < ' ' || to->data[i] == 0x7f)
			to->data[i] = ' ';
}

/* BuildKit ends with "Dockerfile:12" on a line of its own. */
static unsigned line_said(const char *said)
{
	const char *line = last_line(said, "Dockerfile:");

	return line ? (unsigned)strtoul(line + strlen("Dockerfile:"), NULL, 10) : 0;
}

static const char *last_of(const char *said)
{
	const char *end = said + strlen(said), *line;

	while (end > said && strchr(" \r\n", end[-1]))
		end--;
	for (line = end; line > said && line[-1] != '\n'; line--)
		;
	return line;
}

int build_failed(const char *said, int status, struct bl_err *err)
{
	BL_AUTO(bl_buf) line = BL_BUF(2048);
	const char *found = last_line(said, "error");
	unsigned at = line_said(said);
	char where[32] = "";

	if (strcasestr(said, "no space left on device")) {
		bl_fail(err, BL_ENOSPC, "the build ran out of disk space");
		return bl_next(err, getenv("GITHUB_ACTIONS") ? FREE_GITHUB : FREE_BUILDERS);
	}
	add_line(&line, found ? found : last_of(said));
	if (at)
		snprintf(where, sizeof(where), " at line %u", at);
	if (WIFSIGNALED(status))
		bl_fail(err, BL_EIO, "the builder was ended by signal %d%s", WTERMSIG(status),
		        WTERMSIG(status) == 9 ? " (out of memory?)" : "");
	else
		bl_fail(err, BL_EINPUT, "the build failed%s: %s", where,
		        line.len ? bl_buf_text(&line) : "it said nothing");
	return bl_next(err, "what it did stands above");
}

/* --- Before a build --------------------------------------------------------------------------- */

int build_judge_room(uint64_t free_bytes, const char *where, bool on_github, struct bl_buf *warn,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) room = BL_BUF(64);

	if (free_bytes >= ROOM_WANTED)
		return 0;
	bl_str_add_bytes(&room, free_bytes);
	if (free_bytes < ROOM_LEAST) {
		bl_fail(err, BL_ENOSPC, "%s free at %.200s: no base can be built there",
		        bl_buf_text(&room), where);
		return bl_next(err, on_github ? FREE_GITHUB : FREE_BUILDERS);
	}
	bl_buf_addf(warn,
	            "%s free at %s; a base with CUDA and PyTorch needs about 25 GiB. If it runs "
	            "out, %s",
	            bl_buf_text(&room), where, on_github ? FREE_GITHUB : FREE_BUILDERS);
	return 0;
}
