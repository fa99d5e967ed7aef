/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer_drive.h"

#include "aws/transfer.h"
#include "base/fs.h"
#include "codec/hash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_BYTES 65536

struct one {
	struct bl_transfer transfer;
	struct bl_fs_temp temp;
	char key[1100], path[1100];
	bool quiet;
};

static struct bl_transfers *all;
static bool show_progress;
static int failures;

static void die(const struct bl_err *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(70);
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
	struct one *one = arg;

	if (show_progress)
		printf("progress %s %" PRIu64 " %" PRIu64 "\n", one->key, done, total);
}

static void done(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct one *one = arg;
	char crc[BL_CRC64_TEXT];

	bl_crc64nvme_text(transfer->crc, crc);
	if (!err->code && !transfer->upload && bl_fs_temp_publish(&one->temp, err))
		(void)bl_wrap(err, "publish");
	if (err->code) {
		failures++;
		printf("failed %s %d %s | %s\n", one->key, err->code, err->text, err->next);
	} else if (!one->quiet) {
		printf("ok %s %" PRIu64 " %s %s\n", one->key, transfer->bytes, crc,
		       transfer->result_etag);
	}
	if (transfer->upload)
		close(transfer->fd);
	bl_fs_temp_done(&one->temp);
	free(one);
}

static void step(void)
{
	struct bl_err err = { 0 };

	if (bl_transfers_step(all, 1000, &err))
		die(&err);
	fflush(stdout);
}

static void start(struct one *one, uint64_t size)
{
	struct bl_transfer *transfer = &one->transfer;
	struct bl_err err = { 0 };
	struct stat st;

	if (transfer->upload) {
		transfer->fd = open(one->path, O_RDONLY | O_CLOEXEC);
		if (transfer->fd < 0 || fstat(transfer->fd, &st)) {
			fprintf(stderr, "%s: %m\n", one->path);
			exit(70);
		}
		transfer->size = size == UINT64_MAX ? (uint64_t)st.st_size : size;
	} else {
		if (bl_fs_temp_open(AT_FDCWD, one->path, 0644, &one->temp, &err))
			die(&err);
		transfer->fd = one->temp.fd;
		transfer->size = size;
	}
	transfer->key = one->key;
	transfer->done = done;
	transfer->arg = transfer->call.arg = one;
	transfer->call.progress = show_progress ? progress : NULL;
	while (bl_transfers_full(all))
		step();
	if (bl_transfer_start(all, transfer, &err))
		die(&err);
}

static struct one *new_one(void)
{
	struct one *one = calloc(1, sizeof(*one));

	if (!one)
		exit(70);
	one->temp = BL_FS_TEMP;
	return one;
}

static void many(bool upload, const char *prefix, const char *dir, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct one *one = new_one();

		one->quiet = true;
		one->transfer.upload = upload;
		snprintf(one->key, sizeof(one->key), "%s%05u", prefix, i);
		snprintf(one->path, sizeof(one->path), "%s/%05u", dir, i);
		start(one, upload ? UINT64_MAX : SMALL_BYTES);
	}
}

static void command(char *line)
{
	char *words[5] = { 0 }, *rest = line;
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < BL_COUNT(words) && (words[n] = strsep(&rest, " ")))
		n++;
	if (n == 1 && !strcmp(words[0], "wait")) {
		while (bl_transfers_under_way(all))
			step();
	} else if (n == 5 && !strcmp(words[0], "many")) {
		many(!strcmp(words[1], "put"), words[2], words[3],
		     (unsigned)strtoul(words[4], NULL, 10));
	} else if (n >= 3) {
		struct one *one = new_one();

		one->transfer.create = !strcmp(words[0], "create");
		one->transfer.upload = one->transfer.create || !strcmp(words[0], "put");
		snprintf(one->key, sizeof(one->key), "%s", words[1]);
		snprintf(one->path, sizeof(one->path), "%s", words[2]);
		one->transfer.etag = words[4];
		start(one, words[3] && *words[3] ? strtoull(words[3], NULL, 10) : UINT64_MAX);
	}
}

int transfer_drive(int argc, char **argv)
{
	struct bl_transfer_options options = { 0 };
	struct bl_s3_options bucket = { .bucket = argv[1] };
	struct bl_err err = { 0 };
	char *line = NULL;
	size_t size = 0;
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	for (int i = 2; i < argc; i++) {
		if (!strncmp(argv[i], "part=", 5))
			options.part_bytes = strtoull(argv[i] + 5, NULL, 10);
		else if (!strncmp(argv[i], "at_once=", 8))
			options.at_once = (unsigned)strtoul(argv[i] + 8, NULL, 10);
		else if (!strcmp(argv[i], "sha256"))
			bucket.sum = BL_S3_SHA256;
		else if (!strcmp(argv[i], "progress"))
			show_progress = true;
	}
	if (bl_aws_open(&(struct bl_aws_options){ 0 }, &aws, &err) ||
	    bl_s3_open(aws, &bucket, &s3, &err) || bl_transfers_open(s3, &options, &all, &err))
		die(&err);
	while (getline(&line, &size, stdin) > 0)
		command(line);
	while (bl_transfers_under_way(all))
		step();
	free(line);
	bl_transfers_close(all);
	return failures ? 1 : 0;
}
