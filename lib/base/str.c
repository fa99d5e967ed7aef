/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WORD_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t bl_str_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t differs = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *bl_str_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word), best = len / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = bl_str_distance(word, words[i]);

		if (d < len && (d < best || (d == best && !found))) {
			best = d;
			found = words[i];
		}
	}
	return found;
}

int bl_str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct bl_err *err)
{
	size_t digits = strspn(text, "0123456789");
	char *end;

	errno = 0;
	unsigned long long value = digits ? strtoull(text, &end, 10) : 0;
	if (!digits || text[digits] || errno || value < min || value > max)
		return bl_fail(err, BL_EINPUT,
		               "'%.64s' is not a whole number from %" PRIu64 " to %" PRIu64, text,
		               min, max);
	*out = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Sums "1h30m": each part a number and a unit. Returns false on anything else. */
static bool sum_of_units(const char *text, const struct unit *units, size_t n, uint64_t *out)
{
	uint64_t sum = 0;

	while (*text) {
		size_t digits = strspn(text, "0123456789"), best = n, best_len = 0;
		uint64_t part;
		char *end;

		if (!digits || digits > 18)
			return false;
		part = strtoull(text, &end, 10);
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(units[i].name);

			if (!strncmp(end, units[i].name, len) && len > best_len) {
				best = i;
				best_len = len;
			}
		}
		if (best == n || __builtin_mul_overflow(part, units[best].factor, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return false;
		text = end + best_len;
	}
	*out = sum;
	return true;
}

int bl_str_duration(const char *text, int64_t *ms, struct bl_err *err)
{
	static const struct unit units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	const uint64_t ten_years = 315360000000;
	uint64_t sum = 0;

	if (strcmp(text, "0") &&
	    (!*text || !sum_of_units(text, units, BL_COUNT(units), &sum) || sum > ten_years))
		return bl_fail(err, BL_EINPUT,
		               "'%.64s' is not a duration like 90s, 30m, 6h or 1h30m", text);
	*ms = (int64_t)sum;
	return 0;
}

int bl_str_size(const char *text, uint64_t *bytes, struct bl_err *err)
{
	static const struct unit units[] = {
		{ "B", 1 },           { "KB", 1000 },          { "MB", 1000000 },
		{ "GB", 1000000000 }, { "TB", 1000000000000 }, { "KiB", 1024 },
		{ "MiB", 1048576 },   { "GiB", 1073741824 },   { "TiB", 1099511627776 },
	};
	size_t digits = strspn(text, "0123456789");
	uint64_t sum = 0;

	if (digits && digits < 19 && !text[digits]) {
		*bytes = strtoull(text, NULL, 10);
		return 0;
	}
	if (!*text || !sum_of_units(text, units, BL_COUNT(units), &sum))
		return bl_fail(err, BL_EINPUT, "'%.64s' is not a size like 512MiB, 2GiB or 1GB",
		               text);
	*bytes = sum;
	return 0;
}

void bl_str_add_duration(struct bl_buf *buf, int64_t ms)
{
	int64_t minutes = (ms + 30000) / 60000;

	if (ms < 0)
		bl_buf_adds(buf, "0 s");
	else if (ms < 9950)
		bl_buf_addf(buf, "%.1f s", (double)ms / 1000);
	else if (ms < 119500)
		bl_buf_addf(buf, "%" PRId64 " s", (ms + 500) / 1000);
	else if (minutes < 60)
		bl_buf_addf(buf, "%" PRId64 " min", minutes);
	else if (minutes < 48 * 60)
		bl_buf_addf(buf, "%" PRId64 " h %" PRId64 " min", minutes / 60, minutes % 60);
	else
		bl_buf_addf(buf, "%" PRId64 " d %" PRId64 " h", minutes / 1440, minutes / 60 % 24);
}

void bl_str_add_bytes(struct bl_buf *buf, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.5 && unit + 1 < BL_COUNT(units)) {
		value /= 1024;
		unit++;
	}
	bl_buf_addf(buf, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

bool bl_str_starts(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

bool bl_str_ends(const char *text, const char *suffix)
{
	size_t len = strlen(text), tail = strlen(suffix);

	return len >= tail && !strcmp(text + len - tail, suffix);
}

bool bl_str_is_sha(const char *text)
{
	return strspn(text, "0123456789abcdef") == 40 && !text[40];
}

/* Matches one [...] class; *pattern moves past it. An unclosed class matches '[' itself. */
static bool class_matches(const char **pattern, char c)
{
	const char *p = *pattern + 1, *start;
	bool negate = *p == '!' || *p == '^', hit = false;

	if (!strchr(p, ']')) {
		*pattern += 1;
		return c == '[';
	}
	if (negate)
		p++;
	start = p;
	while (*p && (*p != ']' || p == start)) {
		if (p[1] == '-' && p[2] && p[2] != ']') {
			hit |= c >= p[0] && c <= p[2];
			p += 3;
		} else {
			hit |= c == *p++;
		}
	}
	*pattern = *p ? p + 1 : p;
	return hit != negate && c != '/';
}

static bool glob_here(const char *pattern, const char *path, unsigned *budget)
{
	while (*pattern) {
		if (!(*budget)--) {
			*budget = 0;
			return false;
		}
		if (*pattern == '*') {
			bool deep = pattern[1] == '*';

			pattern += deep ? 2 : 1;
			if (deep && *pattern == '/' && glob_here(pattern + 1, path, budget))
				return true;
			for (;; path++) {
				if (glob_here(pattern, path, budget))
					return true;
				if (!*path || (!deep && *path == '/') || !*budget)
					return false;
			}
		}
		if (!*path)
			return false;
		if (*pattern == '[') {
			if (!class_matches(&pattern, *path))
				return false;
		} else if (*pattern == '?') {
			if (*path == '/')
				return false;
			pattern++;
		} else if (*pattern++ != *path) {
			return false;
		}
		path++;
	}
	return !*path;
}

bool bl_str_glob(const char *pattern, const char *path)
{
	unsigned budget = 100000; /* a pattern of many stars is exponential */

	return glob_here(pattern, path, &budget);
}

int bl_str_random(char *out, size_t n, struct bl_err *err)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char raw[64];

	if (n > sizeof(raw))
		return bl_fail(err, BL_EBUG, "random text of %zu characters", n);
	if (getrandom(raw, n, 0) != (ssize_t)n)
		return bl_fail_errno(err, errno, "getrandom");
	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[raw[i] % 32];
	out[n] = '\0';
	return 0;
}
