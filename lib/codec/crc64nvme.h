/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_CRC64NVME_H
#define BL_CODEC_CRC64NVME_H

#include <stddef.h>
#include <stdint.h>

/* bl_crc64nvme() without the CPU's help; for CPUs that have none, and for tests to compare with. */
uint64_t bl_crc64nvme_portable(uint64_t crc, const void *bytes, size_t len);

#endif
