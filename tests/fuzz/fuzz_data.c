/* SPDX-License-Identifier: Apache-2.0 */
/* A data file of any bytes, as each format; the first byte says which. */
#include "run/data_parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const readers[])(struct bl_data_reading *,
	                              struct bl_err *) = { bl_data_read_jsonl, bl_data_read_parquet,
		                                           bl_data_read_tar };
	BL_FD fd = memfd_create("data", MFD_CLOEXEC);
	struct bl_data_found found = { 0 };
	struct bl_err err = { 0 };
	uint64_t number;

	if (!size || fd < 0)
		return 0;
	must(write(fd, data + 1, size - 1) == (ssize_t)size - 1 && !lseek(fd, 0, SEEK_SET));
	struct bl_data_reading reading = {
		.name = "data", .fd = fd, .size = size - 1, .found = &found, .total_bytes = size - 1
	};
	if (readers[data[0] % 3](&reading, &err)) {
		must(err.code == BL_EDATA && *err.text);
		return 0;
	}
	must(err.code == BL_OK && reading.done_bytes == size - 1);
	must(reading.crc == bl_crc64nvme(0, data + 1, size - 1));
	must(found.records <= size && found.longest_line <= size);
	if (size > 12)
		(void)bl_tar_number(data + 1, 12, &number);
	return 0;
}
