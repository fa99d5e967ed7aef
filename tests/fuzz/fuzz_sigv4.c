/* SPDX-License-Identifier: Apache-2.0 */
/* A canonical request has its lines, whatever the parts, and not the order that they came in. */
#include "aws/sigv4.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* "name: value" or "name" alone */
static struct bl_pair pair_of(char *line)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return (struct bl_pair){ line, NULL };
	*colon = '\0';
	return (struct bl_pair){ line, colon + 1 };
}

/* Lines by turns: the path, then a parameter, a header, a parameter, ... */
static void fill(char *text, struct bl_sign *sign, struct bl_pair *query, struct bl_pair *headers)
{
	size_t n = 0;

	sign->path = text;
	sign->query = query;
	sign->headers = headers;
	while ((text = strchr(text, '\n')) && n++ < LINES_MAX) {
		*text++ = '\0';
		char *end = strchr(text, '\n');

		if (end)
			*end = '\0';
		if (n % 2)
			query[sign->n_query++] = pair_of(text);
		else
			headers[sign->n_headers++] = pair_of(text);
		if (end)
			*end = '\n';
		else
			break;
	}
}

static void reverse(struct bl_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct bl_pair moving = pairs[i];

		pairs[i] = pairs[n - 1 - i];
		pairs[n - 1 - i] = moving;
	}
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_pair query[LINES_MAX], headers[LINES_MAX];
	struct bl_sign sign = { .method = "GET", .payload_hash = "UNSIGNED-PAYLOAD" };
	BL_AUTO(bl_buf) once = BL_BUF(1 << 20);
	BL_AUTO(bl_buf) again = BL_BUF(1 << 20);
	char *text = calloc(1, size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	fill(text, &sign, query, headers);
	/* what a header cannot hold; the client refuses it */
	for (size_t i = 0; i < sign.n_headers; i++)
		headers[i].value = headers[i].value ? headers[i].value : "";
	bl_sign_canonical(&sign, &once);
	reverse(query, sign.n_query);
	bl_sign_canonical(&sign, &again);
	must(!once.failed == !again.failed);
	if (!once.failed) {
		must(!strcmp(once.data, again.data));
		must(once.data[0] == 'G');
		must(count(once.data, '\n') >= 6);
		must(!strncmp(strchr(once.data, '\n') + 1, "/", 1)); /* normalised */
	}
	free(text);
	return 0;
}
