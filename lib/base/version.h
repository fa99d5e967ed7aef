/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_VERSION_H
#define BL_BASE_VERSION_H

/* What --version says beside the number: commit, compiler, architecture. */
#ifndef BL_COMMIT
#define BL_COMMIT "unknown"
#endif

#if defined(__x86_64__)
#define BL_ARCH "x86_64"
#elif defined(__aarch64__)
#define BL_ARCH "aarch64"
#else
#define BL_ARCH "other"
#endif

#define BL_BUILD "commit " BL_COMMIT ", gcc " __VERSION__ ", " BL_ARCH

#endif
