/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training left in its checkpoint directory, and a manifest that somebody may have
 * edited: any bytes. The first byte says what the rest is.
 */
#include "run/checkpoint_parts.h"
#include "run/complete.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A tree of one directory with this file in it, in memory; every rule looks at it. */
static void judge(const char *dir, const char *name, const uint8_t *bytes, size_t len)
{
	char root[] = "/dev/shm/bl-fuzz-XXXXXX", path[200];
	enum bl_whole said = BL_WHOLE_FOREIGN;
	BL_AUTO(bl_tree) tree = BL_TREE;
	struct bl_err err = { 0 };

	if (!mkdtemp(root))
		return;
	BL_FD fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(!bl_fs_replace(fd, path, bytes, len, 0600, &err));
	must(!bl_tree_read(root, &tree, &err) && tree.n == 3);
	must(!bl_whole_file(&tree, 2, &said, &err) && err.code == BL_OK);
	must(!bl_whole_dir(&tree, 1, &said, &err) && err.code == BL_OK);
	must(!bl_fs_remove_tree(fd, dir, &err) && !rmdir(root));
}

static void read_manifest(const char *bytes, size_t len)
{
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	struct bl_err err = { 0 };

	if (bl_manifest_parse(bytes, len, "manifest", RUN, "runs/" RUN "/", &manifest, &err)) {
		must(err.code == BL_ECORRUPT);
		return;
	}
	for (size_t i = 0; i < manifest.n; i++) {
		const struct bl_entry *entry = &manifest.entries[i];

		must(entry->path[0] && entry->path[0] != '/' && !entry->key != !entry->link);
		if (entry->link)
			(void)bl_link_is_safe(entry->path, entry->link);
	}
	must(!bl_links_settle(&manifest, &manifest, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[][2] = {
		{ "run", "model.pt" },
		{ "run", "m.safetensors" },
		{ "checkpoint-5", "trainer_state.json" },
		{ "checkpoint-5", "x.index.json" },
	};
	uint64_t at, members, wanted;
	struct bl_err err = { 0 };

	if (!size)
		return 0;
	if (data[0] % 8 < BL_COUNT(names))
		judge(names[data[0] % 8][0], names[data[0] % 8][1], data + 1, size - 1);
	if (bl_zip_ends_well(data + 1, size - 1, size - 1, &at, &members))
		must(at < size - 1);
	(void)!bl_safetensors_size((const char *)data + 1, size - 1, &wanted, &err);
	read_manifest((const char *)data + 1, size - 1);
	return 0;
}
