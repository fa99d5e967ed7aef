/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_COMPUTE_DRIVE_H
#define BL_TESTS_COMPUTE_DRIVE_H

/*
 * Engine by hand, for end-to-end tests:
 *
 *   test_compute --drive VERB STORE RUN ATTEMPT [NAME=VALUE...]
 *
 * VERB: start probe end console. Names: engine (ec2), wait (ms), market (spot, on-demand, both),
 * types ("g6.xlarge,g5.xlarge"), instance, look (ms), pr, runner, cwd. What is said goes to stderr,
 * the result is one line: "ok ..." or "failed CODE LACK TEXT | NEXT". TERM stops it.
 */
int compute_drive(int argc, char **argv);

#endif
