/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others print or say about credentials: the document of a process or an instance, a line of
 * credential_process, a time, the claims of a token.
 */
#include "aws/creds_parts.h"

#include "aws/oidc.h"
#include "base/clock.h"
#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Keys that are taken fit into a header each; nothing is taken by halves. */
static void read_document(const char *text, size_t size)
{
	BL_AUTO(bl_credentials) got = { 0 };
	struct bl_err err = { 0 };

	if (creds_from_json(text, size, "input", &got, &err)) {
		must(err.code == BL_ECORRUPT || err.code == BL_EINPUT);
		must(!got.access_key[0] && !got.secret.text && !got.token.text);
		return;
	}
	must(got.access_key[0] && got.secret.len);
	must(!strpbrk(got.access_key, "\r\n"));
	must(!strpbrk(bl_secret_text(&got.secret), "\r\n"));
	must(!strpbrk(bl_secret_text(&got.token), "\r\n"));
}

/* The words and their ends lie within the line's length: what is beyond would be a write past. */
static void split_line(const char *line)
{
	struct bl_err err = { 0 };
	char **words = NULL;
	size_t bytes = 0;

	if (creds_split(line, &words, &err)) {
		must(err.code == BL_EINPUT && !words);
		return;
	}
	for (size_t i = 0; words[i]; i++)
		bytes += strlen(words[i]) + 1;
	must(bytes && bytes <= strlen(line) + 1);
	free(words);
}

static void read_time(const char *text)
{
	char again[BL_UTC_SIZE];
	int64_t ms, same;

	if (!bl_utc_parse(text, &ms) || ms < 0)
		return;
	bl_utc_text(ms, again);
	must(bl_utc_parse(again, &same) && ms - same >= 0 && ms - same < 1000);
}

static void explain_claims(const char *text, size_t size)
{
	BL_AUTO(bl_buf) out = BL_BUF(1 << 20);
	struct bl_err err = { 0 };
	BL_VALUE claims = NULL;

	if (!bl_json_parse(text, size, "input", &claims, &err))
		bl_oidc_explain(claims, &out);
}

static void check_names(const char *text)
{
	char name[BL_STS_NAME_MAX + 1];
	struct bl_err err = { 0 };

	bl_sts_session_name(text, name);
	must(strlen(name) >= 2 && strlen(name) <= BL_STS_NAME_MAX);
	if (!bl_sts_check_role(text, &err))
		must(strlen(text) <= 2048 && !strpbrk(text, "\r\n \"'"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	read_document(text, size);
	split_line(text);
	read_time(text);
	explain_claims(text, size);
	check_names(text);
	free(text);
	return 0;
}
