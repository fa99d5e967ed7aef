/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/sync_parts.h"

#include <limits.h>
#include <string.h>

#define TEMP_RANDOM 16 /* characters between ".bl-" and ".tmp" */
#define ALPHABET "abcdefghijklmnopqrstuvwxyz234567"

/* S3 tells times in whole seconds: within that second either may have come first. */
static bool is_same_second(int64_t whole_ms, int64_t other_ms)
{
	return whole_ms % 1000 == 0 && other_ms >= whole_ms && other_ms - whole_ms < 1000;
}

enum bl_sync_act bl_sync_decide(const struct bl_sync_side *src, const struct bl_sync_side *dst,
                                const struct bl_sync_options *options)
{
	if (!src)
		return options->delete_extra ? BL_SYNC_DELETE : BL_SYNC_LEAVE;
	if (!dst || src->size != dst->size)
		return BL_SYNC_MOVE;
	if (options->checksum)
		return BL_SYNC_LOOK;
	if (dst->modified_wall_ms >= src->modified_wall_ms)
		return BL_SYNC_EQUAL;
	return is_same_second(dst->modified_wall_ms, src->modified_wall_ms) ? BL_SYNC_LOOK
	                                                                    : BL_SYNC_MOVE;
}

bool sync_is_temporary(const char *name)
{
	size_t len = strlen(name);

	return len == 4 + TEMP_RANDOM + 4 && bl_str_starts(name, ".bl-") &&
	       bl_str_ends(name, ".tmp") && strspn(name + 4, ALPHABET) == TEMP_RANDOM;
}

bool sync_is_our_temporary(const char *name)
{
	return sync_is_temporary(name) && bl_str_starts(name, ".bl-sync");
}

static const char *refuse_part(const char *part, size_t len)
{
	if (!len)
		return "an empty part: no file can be named so";
	if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
		return "'.' or '..' as a part: it would leave its place";
	if (len > NAME_MAX)
		return "a part over 255 bytes: no file can be named so";
	return NULL;
}

const char *sync_refuse_file(const char *name)
{
	const char *part = name, *why;

	if (*name == '/')
		return "begins with '/': it would leave the directory";
	if (*name && name[strlen(name) - 1] == '/')
		return "ends in '/' and is not empty: no file can be named so";
	for (;;) {
		size_t len = strcspn(part, "/");

		why = refuse_part(part, len);
		if (why)
			return why;
		if (!part[len])
			break;
		part += len + 1;
	}
	return sync_is_temporary(part) ? "the name of a temporary file of ours" : NULL;
}

const char *sync_refuse_key(const char *name, size_t prefix_len)
{
	size_t len = strlen(name);

	if (prefix_len + len > SYNC_KEY_MAX)
		return "over the 1,024 bytes of a key";
	if (bl_utf8_valid(name, len) != len)
		return "not UTF-8: no key can be named so";
	return NULL;
}

bool sync_is_marker(const char *name, uint64_t size)
{
	size_t len = strlen(name);

	return !len || (!size && name[len - 1] == '/');
}

/* Compares the first len bytes of name: all, or (no '/' in the glob) their last part. */
static bool matches_at(const char *glob, bool by_part, const char *name, size_t len)
{
	char path[SYNC_KEY_MAX + 1];
	const char *slash;

	if (len > SYNC_KEY_MAX)
		return false;
	memcpy(path, name, len);
	path[len] = '\0';
	slash = by_part ? strrchr(path, '/') : NULL;
	return bl_str_glob(glob, slash ? slash + 1 : path);
}

static bool rule_matches(const char *rule, const char *name)
{
	char glob[SYNC_KEY_MAX + 1];
	size_t n = strlen(rule);
	bool by_part;

	if (n && rule[n - 1] == '/') /* "cache/" is a directory: what is below it is meant */
		n--;
	if (!n || n > SYNC_KEY_MAX)
		return false;
	memcpy(glob, rule, n);
	glob[n] = '\0';
	by_part = !strchr(glob, '/');
	for (size_t len = 0;; len++) {
		if (name[len] && (name[len] != '/' || !len))
			continue;
		if (matches_at(glob, by_part, name, len))
			return true;
		if (!name[len])
			return false;
	}
}

bool sync_is_excluded(const char *name, const char *const *rules, size_t n_rules)
{
	for (size_t i = n_rules; i-- > 0;) {
		if (rule_matches(rules[i] + 1, name))
			return rules[i][0] == '-';
	}
	return false;
}

bool sync_clashes(struct sync_clash *clash, const char *name)
{
	size_t same = 0, len = strlen(name);

	if (len > SYNC_KEY_MAX)
		return false;
	while (name[same] && name[same] == clash->last[same])
		same++;
	/* what was a name and does not begin this one never begins a later one */
	memset(clash->is_name + same + 1, 0, sizeof(clash->is_name) - same - 1);
	memcpy(clash->last, name, len + 1);
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '/' && clash->is_name[i])
			return true;
	}
	clash->is_name[len] = true;
	return false;
}
