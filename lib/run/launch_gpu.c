/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_gpu.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

static const struct {
	const char *name, *also; /* as others call it */
	double compute;
} gpus[] = {
	{ "K80", NULL, 3.7 },   { "M60", NULL, 5.2 },
	{ "V100", NULL, 7.0 },  { "T4", NULL, 7.5 },
	{ "T4g", NULL, 7.5 },   { "A100", "A10040GB", 8.0 },
	{ "A10G", "A10", 8.6 }, { "L4", NULL, 8.9 },
	{ "L40S", NULL, 8.9 },  { "H100", "H10080GB", 9.0 },
	{ "H200", NULL, 9.0 },  { "GH200", NULL, 9.0 },
	{ "B200", NULL, 10.0 }, { "GB200", NULL, 10.0 },
	{ "B300", NULL, 10.3 }, { "RTXPRO6000", "RTXPROServer6000", 12.0 },
};

#define NAME_SIZE 40

/* Letters and digits in lower case, without the maker. */
static void fold(const char *text, char out[NAME_SIZE])
{
	size_t n = 0;

	for (; *text && n + 1 < NAME_SIZE; text++)
		if (isalnum((unsigned char)*text))
			out[n++] = (char)tolower((unsigned char)*text);
	out[n] = '\0';
	for (size_t skip = bl_str_starts(out, "nvidia")  ? 6
	                   : bl_str_starts(out, "tesla") ? 5
	                                                 : 0;
	     skip;) {
		memmove(out, out + skip, strlen(out + skip) + 1);
		skip = bl_str_starts(out, "tesla") ? 5 : 0;
	}
}

static bool same(const char *folded, const char *name)
{
	char other[NAME_SIZE];

	if (!name)
		return false;
	fold(name, other);
	return !strcmp(folded, other);
}

/* Where it stands in the table; BL_COUNT(gpus): nowhere. */
static size_t place_of(const char *folded)
{
	size_t i = 0;

	while (i < BL_COUNT(gpus) && !same(folded, gpus[i].name) && !same(folded, gpus[i].also))
		i++;
	return i;
}

double bl_gpu_compute(const char *name)
{
	char folded[NAME_SIZE];
	size_t i;

	fold(name, folded);
	i = place_of(folded);
	return i < BL_COUNT(gpus) ? gpus[i].compute : 0;
}

bool bl_gpu_matches(const char *wanted, const char *name)
{
	char a[NAME_SIZE], b[NAME_SIZE];
	size_t i;

	fold(wanted, a);
	fold(name, b);
	if (!*a || !*b)
		return false;
	i = place_of(a);
	return !strcmp(a, b) || (i < BL_COUNT(gpus) && i == place_of(b));
}

void bl_gpu_names(struct bl_buf *out)
{
	for (size_t i = 0; i < BL_COUNT(gpus); i++)
		bl_buf_addf(out, "%s%s", i ? ", " : "", gpus[i].name);
}
