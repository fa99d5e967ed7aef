/* SPDX-License-Identifier: Apache-2.0 */
#include "net/registry_parts.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* One value, quoted or not, into out ("" when it does not fit); where it ends. */
static const char *take_value(const char *at, char *out, size_t size)
{
	bool quoted = *at == '"', fits = true;
	size_t n = 0;

	for (at += quoted; *at && (quoted ? *at != '"' : !strchr("," BLANKS, *at)); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		fits = fits && n + 1 < size;
		if (fits)
			out[n++] = *at;
	}
	out[fits ? n : 0] = '\0';
	return quoted && *at ? at + 1 : at;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

static const char *take_parameter(const char *name, size_t len, const char *at,
                                  struct bl_challenge *out)
{
	char ignored[1];

	if (is_word(name, len, "realm"))
		return take_value(at, out->realm, sizeof(out->realm));
	if (is_word(name, len, "service"))
		return take_value(at, out->service, sizeof(out->service));
	if (is_word(name, len, "scope"))
		return take_value(at, out->scope, sizeof(out->scope));
	return take_value(at, ignored, sizeof(ignored));
}

static enum bl_challenge_kind kind_of(const char *scheme, size_t len)
{
	if (is_word(scheme, len, "Bearer"))
		return BL_CHALLENGE_BEARER;
	return is_word(scheme, len, "Basic") ? BL_CHALLENGE_BASIC : BL_CHALLENGE_NONE;
}

/* A token without a place to get it from is of no use. */
static bool is_usable(const struct bl_challenge *challenge)
{
	return challenge->kind == BL_CHALLENGE_BASIC ||
	       (challenge->kind == BL_CHALLENGE_BEARER && challenge->realm[0]);
}

void bl_challenge_parse(const char *header, struct bl_challenge *out)
{
	struct bl_challenge now = { 0 };

	for (const char *at = header; *(at += strspn(at, "," BLANKS));) {
		size_t len = strcspn(at, ",=" BLANKS);
		const char *value = at + len + strspn(at + len, BLANKS);

		if (*value == '=') { /* blanks around it are bad style, and seen */
			value += 1 + strspn(value + 1, BLANKS);
			at = take_parameter(at, len, value, &now);
			continue;
		}
		/* a scheme begins */
		if (is_usable(&now))
			break;
		now = (struct bl_challenge){ .kind = kind_of(at, len) };
		at += len;
	}
	if (!is_usable(&now))
		now = (struct bl_challenge){ 0 };
	*out = now;
}
