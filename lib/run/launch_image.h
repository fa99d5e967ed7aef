/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_IMAGE_H
#define BL_RUN_LAUNCH_IMAGE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * What an image needs of the driver, read from its config before anything is bought: pure.
 *
 *   NVIDIA_REQUIRE_CUDA  as nvidia-container-cli takes it: alternatives separated by blanks, all
 *                        conditions of one by commas ("cuda>=12.4 brand=tesla,driver>=535")
 *   CUDA_VERSION         else; else the label branchline.cuda
 */
struct bl_image_needs {
	char arch[16];       /* as OCI has it: "amd64", "arm64" */
	char cuda[24];       /* "12.4.1"; "": none known */
	char require[2048];  /* NVIDIA_REQUIRE_CUDA; "" */
	bool require_is_off; /* NVIDIA_DISABLE_REQUIRE */
};
/* bytes: the image's config. BL_ECORRUPT. */
BL_MUST int bl_image_needs_read(const char *bytes, size_t len, struct bl_image_needs *out,
                                struct bl_err *err);

/* "x86_64" for "amd64", "arm64" for "arm64"; else the text itself. */
const char *bl_image_ec2_arch(const char *oci_arch);

/*
 * Whether a driver ("550.54.15") that serves CUDA up to `cuda_max` ("12.4") runs it; `why` says
 * what is missing, for people. Within one major version a later minor runs (CUDA's own minor
 * version compatibility) unless NVIDIA_REQUIRE_CUDA asks for more. Empty texts are not known: they
 * pass.
 */
bool bl_image_runs_on(const struct bl_image_needs *needs, const char *driver, const char *cuda_max,
                      char why[160]);

#endif
