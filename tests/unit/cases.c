/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cases.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_MAX (1 << 20)

void show_error(struct bl_buf *out, const struct bl_err *err)
{
	bl_buf_addf(out, "error %d: %s\n", err->code, err->text);
	if (*err->next)
		bl_buf_addf(out, "next: %s\n", err->next);
}

static void read_file(const char *path, struct bl_buf *out)
{
	FILE *file = fopen(path, "rbe");
	char block[4096];
	size_t n;

	if (!file)
		fail_msg("cannot open %s: run from the root of the repository", path);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		bl_buf_add(out, block, n);
	assert_false(ferror(file));
	fclose(file);
}

static bool agrees(const char *dir, case_player *play)
{
	BL_AUTO(bl_buf) input = BL_BUF(FILE_MAX);
	BL_AUTO(bl_buf) expect = BL_BUF(FILE_MAX);
	BL_AUTO(bl_buf) out = BL_BUF(FILE_MAX);
	char path[600];

	snprintf(path, sizeof(path), "%s/input", dir);
	read_file(path, &input);
	snprintf(path, sizeof(path), "%s/expect", dir);
	read_file(path, &expect);
	play(bl_buf_text(&input), input.len, &out);
	if (!strcmp(bl_buf_text(&out), bl_buf_text(&expect)))
		return true;
	fprintf(stderr, "%s\nexpected: %sgot:      %s", dir, bl_buf_text(&expect),
	        bl_buf_text(&out));
	return false;
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void each_case(const char *module, case_player *play)
{
	struct dirent **names = NULL;
	char dir[256];
	int wrong = 0;

	snprintf(dir, sizeof(dir), "tests/unit/data/%s", module);
	int n = scandir(dir, &names, is_case, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		char path[520];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		wrong += !agrees(path, play);
		free(names[i]);
	}
	free(names);
	assert_int_equal(wrong, 0);
}
