/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "run/attempt.h"
#include "run/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PULL_MS (24 * 3600000ll)

struct options {
	const char *store;
	bool checkpoint, json, dry_run;
};

static const struct bl_option table[] = {
	{ "checkpoint", 0, BL_OPT_SWITCH, offsetof(struct options, checkpoint), NULL,
	  "the newest checkpoint that verifies, not the outputs" },
	{ "dry-run", 0, BL_OPT_SWITCH, offsetof(struct options, dry_run), NULL,
	  "only say what would be fetched" },
	PLACE_OPT_STORE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "pull",
	.example = "branchline pull latest out/",
	.about = "Fetches a run's outputs into a directory: size first, each file verified.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "RUN DIR",
	.words_min = 2,
	.words_max = 2,
};

/* The attempt whose outputs count: the outcome's, else the newest that has some. */
static int winning(struct place *place, const char *run, unsigned *attempt, struct bl_manifest *out,
                   struct bl_err *err)
{
	struct bl_attempts attempts;

	if (bl_attempts_read(place->store, run, &attempts, err))
		return -1;
	*attempt = attempts.has_outcome ? attempts.outcome.attempt : attempts.newest;
	for (; *attempt; --*attempt) {
		if (!bl_outputs_read(place->store, run, *attempt, out, err))
			return 0;
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		if (attempts.has_outcome)
			break;
	}
	bl_fail(err, BL_ENOENT, "run %s has no outputs", run);
	return bl_next(err, "its checkpoint, if any: branchline pull --checkpoint %s DIR", run);
}

static uint64_t total_bytes(const struct bl_manifest *manifest)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < manifest->n; i++)
		sum += manifest->entries[i].size;
	return sum;
}

static void say_size(const struct bl_manifest *manifest, const char *run, const char *dir)
{
	BL_AUTO(bl_buf) text = BL_BUF(64);

	bl_str_add_bytes(&text, total_bytes(manifest));
	bl_log(BL_LOG_INFO, "%zu %s, %s (%" PRIu64 " bytes) of run %s into %s", manifest->n,
	       manifest->n == 1 ? "file" : "files", bl_buf_text(&text), total_bytes(manifest), run,
	       dir);
}

/* Whether it is there already, as a pull cut short left it. What differs is somebody's own. */
static int is_there(int dir, const struct bl_entry *entry, bool *there, struct bl_err *err)
{
	static char bytes[1 << 20];
	uint64_t at = 0, crc = 0;
	struct stat st;
	BL_FD fd = -1;

	*there = false;
	if (bl_fs_open_beneath(dir, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	while (S_ISREG(st.st_mode) && (uint64_t)st.st_size == entry->size && at < entry->size) {
		size_t n = entry->size - at < sizeof(bytes) ? entry->size - at : sizeof(bytes);

		if (bl_fs_pread(fd, bytes, n, at, err))
			return -1;
		crc = bl_crc64nvme(crc, bytes, n);
		at += n;
	}
	*there = S_ISREG(st.st_mode) && (uint64_t)st.st_size == entry->size && crc == entry->crc;
	if (*there)
		return 0;
	bl_fail(err, BL_EEXIST, "another file of that name is there");
	return bl_next(err, "move it away, or name another directory");
}

static int pull_file(struct place *place, int dir, const struct bl_entry *entry, struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;
	struct bl_call call = { .deadline_mono_ms = bl_mono_ms() + PULL_MS };
	uint64_t size, crc;

	if (bl_fs_temp_open(dir, entry->path, 0644, &temp, err) ||
	    bl_store_get_file(place->store, &call, entry->key, temp.fd, &size, &crc, err))
		return -1;
	if (size != entry->size || crc != entry->crc)
		return bl_fail(err, BL_ECORRUPT,
		               "%s: %" PRIu64
		               " bytes with another checksum than when it was stored",
		               entry->key, size);
	return bl_fs_temp_replace(&temp, err);
}

static void show_share(double percent, const char *path)
{
	BL_AUTO(bl_buf) text = BL_BUF(1024);

	show_text(path, 60, &text);
	fprintf(stderr, "\r\033[K%3.0f %%  %s", percent, bl_buf_text(&text));
}

static int pull_all(struct place *place, const struct bl_manifest *manifest, const char *path,
                    struct bl_err *err)
{
	uint64_t done = 0, all = total_bytes(manifest);
	bool show = isatty(STDERR_FILENO), there;
	BL_FD dir = -1;

	if (bl_fs_make_dir(path, &dir, err))
		return -1;
	for (size_t i = 0; i < manifest->n; i++) {
		const struct bl_entry *entry = &manifest->entries[i];

		if (!entry->key)
			continue; /* a link */
		if (is_there(dir, entry, &there, err) ||
		    (!there && pull_file(place, dir, entry, err)))
			return bl_wrap(err, "%s/%s", path, entry->path);
		done += entry->size;
		if (show)
			show_share(all ? (double)done * 100 / (double)all : 100, entry->path);
	}
	if (show)
		fputs("\r\033[K", stderr);
	return 0;
}

static int print_json(const struct bl_manifest *manifest, const char *run, unsigned attempt,
                      const char *dir, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(64u << 20);
	struct bl_json json = { .buf = &text, .indent = 2 };

	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run);
	bl_json_int(&json, "attempt", attempt);
	bl_json_text(&json, "directory", dir);
	bl_json_int(&json, "bytes", (int64_t)total_bytes(manifest));
	bl_json_list(&json, "files");
	for (size_t i = 0; i < manifest->n; i++) {
		bl_json_map(&json, NULL);
		bl_json_text(&json, "path", manifest->entries[i].path);
		bl_json_int(&json, "bytes", (int64_t)manifest->entries[i].size);
		bl_json_end_map(&json);
	}
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "pull", err))
		return -1;
	puts(bl_buf_text(&text));
	return 0;
}

/* What would be restored, unless it does not verify. */
static int newest_checkpoint(struct place *place, const char *run, struct bl_manifest *out,
                             struct bl_err *err)
{
	char key[BL_RUN_KEY_SIZE];

	if (bl_checkpoint_newest(place->store, run, key, sizeof(key), err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return bl_fail(err, BL_ENOENT, "run %s has no checkpoint", run);
	}
	return bl_manifest_read(place->store, key, out, err);
}

/* Which one verifies is known at the end; what is to come is that of the newest. */
static int restore_checkpoint(struct place *place, const char *run, const char *dir,
                              struct bl_manifest *out, struct bl_err *err)
{
	struct bl_call call = { .deadline_mono_ms = bl_mono_ms() + PULL_MS };
	BL_AUTO(bl_buf) said = BL_BUF(65536);
	BL_AUTO(bl_manifest) newest = { 0 };
	struct bl_restored result = { 0 };

	if (!newest_checkpoint(place, run, &newest, err))
		say_size(&newest, run, dir);
	else if (err->code != BL_ECORRUPT)
		return -1;
	bl_err_clear(err);
	if (bl_checkpoint_restore(place->store, &call, run, NULL, dir, &result, out, &said, err))
		return -1;
	if (said.len)
		bl_log(BL_LOG_WARN, "%s", bl_buf_text(&said));
	if (result.found && (out->attempt != newest.attempt || out->seq != newest.seq))
		say_size(out, run, dir);
	if (!result.found)
		return bl_fail(err, BL_ENOENT, "run %s has no checkpoint that verifies", run);
	return 0;
}

static int pull(struct place *place, const char *run, const char *dir, const struct options *opt,
                struct bl_err *err)
{
	BL_AUTO(bl_manifest) manifest = { 0 };
	unsigned attempt;

	if (opt->checkpoint) {
		if (opt->dry_run ? newest_checkpoint(place, run, &manifest, err)
		                 : restore_checkpoint(place, run, dir, &manifest, err))
			return -1;
		attempt = manifest.attempt;
		if (opt->dry_run)
			say_size(&manifest, run, dir);
	} else {
		if (winning(place, run, &attempt, &manifest, err))
			return -1;
		say_size(&manifest, run, dir);
		if (!opt->dry_run && pull_all(place, &manifest, dir, err))
			return -1;
	}
	return opt->json ? print_json(&manifest, run, attempt, dir, err) : 0;
}

int verb_pull(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	struct options opt = { 0 };
	char run[BL_RUN_SIZE];

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, BL_STORE_READ, err) ||
	    place_run(&place, args.words[0], run, err))
		return bl_wrap(err, "pull");
	return pull(&place, run, args.words[1], &opt, err) ? bl_wrap(err, "pull") : 0;
}
