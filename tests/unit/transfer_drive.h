/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_TRANSFER_DRIVE_H
#define BL_TESTS_TRANSFER_DRIVE_H

/*
 * Transfers by hand, for the end-to-end tests and for measuring:
 *
 *   test_transfer BUCKET [part=BYTES] [at_once=N] [sha256] [progress] < COMMANDS
 *
 *   put KEY PATH [SIZE]         size: the first bytes of a longer file
 *   create KEY PATH             unless the key exists
 *   get KEY PATH [SIZE [ETAG]]  PATH is made, renamed to when done
 *   many put|get PREFIX DIR N   N of them, named 00000 ...: a get of 64 KiB is given its size
 *   wait                        until all of the above are done
 *
 * Says a line for each as it is done: "ok KEY BYTES CRC ETAG" or "failed KEY CODE TEXT"; `many`
 * says failures only. Exit 0 when none failed.
 */
int transfer_drive(int argc, char **argv);

#endif
