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
#define AT_ONCE 32
#define SHOW_MS 100

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

/* Files that come together: each gets its name when all of it is there and verified. */
struct pulling {
	struct bl_store *store;
	const char *path; /* of the directory, for people */
	int dir;
	bool show;
	uint64_t done, all; /* bytes */
	int64_t began_ms, shown_ms;
	size_t n;
	const struct bl_entry *entries[AT_ONCE];
	struct bl_file files[AT_ONCE];
	struct bl_fs_temp temps[AT_ONCE];
};

static void pulling_done(struct pulling *pulling)
{
	for (size_t i = 0; i < pulling->n; i++)
		bl_fs_temp_done(&pulling->temps[i]);
	pulling->n = 0;
	bl_fd_done(&pulling->dir);
}

static void show_share(struct pulling *pulling, uint64_t more)
{
	BL_AUTO(bl_buf) text = BL_BUF(256);
	uint64_t done = pulling->done + more;
	int64_t ms = bl_mono_ms() - pulling->began_ms;
	double rate = ms > 0 ? (double)done * 1000 / (double)ms : 0;

	if (!pulling->show || (more && bl_mono_ms() - pulling->shown_ms < SHOW_MS))
		return;
	pulling->shown_ms = bl_mono_ms();
	bl_str_add_bytes(&text, (uint64_t)rate);
	bl_buf_adds(&text, "/s");
	if (rate > 0 && done < pulling->all) {
		bl_buf_adds(&text, ", ");
		bl_str_add_duration(&text, (int64_t)((double)(pulling->all - done) / rate) * 1000);
		bl_buf_adds(&text, " left");
	}
	fprintf(stderr, "\r\033[K%3.0f %%  %s",
	        pulling->all ? (double)done * 100 / (double)pulling->all : 100, bl_buf_text(&text));
}

static void on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)total_bytes;
	show_share(arg, done_bytes);
}

static int take_file(struct pulling *pulling, size_t i, struct bl_err *err)
{
	const struct bl_entry *entry = pulling->entries[i];

	if (pulling->files[i].crc != entry->crc)
		bl_fail(err, BL_ECORRUPT, "%s has another checksum than when it was stored",
		        entry->key);
	else if (!bl_fs_temp_replace(&pulling->temps[i], err))
		return 0;
	return bl_wrap(err, "%s/%s", pulling->path, entry->path);
}

static int fetch(struct pulling *pulling, struct bl_err *err)
{
	struct bl_call call = { .deadline_mono_ms = bl_mono_ms() + PULL_MS,
		                .progress = on_progress,
		                .arg = pulling };

	if (bl_store_get_files(pulling->store, &call, pulling->files, pulling->n, err))
		return bl_wrap(err, "%s", pulling->path);
	for (size_t i = 0; i < pulling->n; i++) {
		if (take_file(pulling, i, err))
			return -1;
		pulling->done += pulling->entries[i]->size;
		bl_fs_temp_done(&pulling->temps[i]);
	}
	pulling->n = 0;
	show_share(pulling, 0);
	return 0;
}

static int add_file(struct pulling *pulling, const struct bl_entry *entry, struct bl_err *err)
{
	size_t i = pulling->n;
	bool there;

	if (is_there(pulling->dir, entry, &there, err))
		return bl_wrap(err, "%s/%s", pulling->path, entry->path);
	if (there) {
		pulling->done += entry->size;
		return 0;
	}
	pulling->temps[i] = BL_FS_TEMP;
	if (bl_fs_temp_open(pulling->dir, entry->path, 0644, &pulling->temps[i], err))
		return bl_wrap(err, "%s/%s", pulling->path, entry->path);
	pulling->entries[i] = entry;
	pulling->files[i] = (struct bl_file){ .key = entry->key,
		                              .fd = pulling->temps[i].fd,
		                              .size = entry->size };
	pulling->n++;
	return pulling->n == AT_ONCE ? fetch(pulling, err) : 0;
}

static int pull_all(struct place *place, const struct bl_manifest *manifest, const char *path,
                    struct bl_err *err)
{
	BL_AUTO(pulling)
	pulling = { .store = place->store,
		    .path = path,
		    .dir = -1,
		    .show = isatty(STDERR_FILENO),
		    .all = total_bytes(manifest),
		    .began_ms = bl_mono_ms() };

	if (bl_fs_make_dir(path, &pulling.dir, err))
		return -1;
	for (size_t i = 0; i < manifest->n; i++)
		if (manifest->entries[i].key && /* else a link */
		    add_file(&pulling, &manifest->entries[i], err))
			return -1;
	if (pulling.n && fetch(&pulling, err))
		return -1;
	if (pulling.show)
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
