/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_GPU_H
#define BL_RUN_LAUNCH_GPU_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * GPUs that EC2 has, by the name that DescribeInstanceTypes gives, and their CUDA compute
 * capability (developer.nvidia.com/cuda-gpus): EC2 itself does not say it.
 */
double bl_gpu_compute(const char *name); /* 8.9; 0: unknown */

/*
 * Whether what a person wrote means that GPU: letter case, blanks, dashes and the maker do not
 * matter: "l4", "NVIDIA L4", "a10g" and "A10" mean L4 and A10G; "l40" does not mean L4.
 */
bool bl_gpu_matches(const char *wanted, const char *name);

/* The names that are known, "T4, T4g, A10G, ...": for people. */
void bl_gpu_names(struct bl_buf *out);

#endif
