/* SPDX-License-Identifier: Apache-2.0 */
/* The words of credential_process: pure. */
#include "aws/creds_parts.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c && strchr(" \t\r\n", c);
}

/*
 * Copies one word from *from to `to`, its quotes removed: '' keeps all, "" and bare words know the
 * backslash ("" only before what it would end or escape). NULL: a quote that nobody closed.
 */
static char *take_word(const char **from, char *to)
{
	const char *at = *from;
	char quote = '\0';

	for (; *at && (quote || !is_blank(*at)); at++) {
		if (quote ? *at == quote : *at == '\'' || *at == '"') {
			quote = quote ? '\0' : *at;
			continue;
		}
		if (*at == '\\' && quote != '\'' && at[1] &&
		    (!quote || at[1] == '"' || at[1] == '\\'))
			at++;
		*to++ = *at;
	}
	*from = at;
	*to++ = '\0';
	return quote ? NULL : to;
}

int creds_split(const char *line, char ***words, struct bl_err *err)
{
	/* a word takes a character and a blank at least; the texts are shorter than the line */
	size_t len = strlen(line), room = len / 2 + 2, n = 0;
	char **list = calloc(1, room * sizeof(char *) + len + 1), *to;

	if (!list)
		return bl_fail(err, BL_ENOMEM, "credential_process: out of memory");
	to = (char *)(list + room);
	for (;;) {
		while (is_blank(*line))
			line++;
		if (!*line)
			break;
		list[n++] = to;
		to = take_word(&line, to);
		if (!to) {
			free(list);
			return bl_fail(err, BL_EINPUT, "a quote that is not closed");
		}
	}
	if (!n) {
		free(list);
		return bl_fail(err, BL_EINPUT, "an empty command");
	}
	*words = list;
	return 0;
}
