/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CLIENT_CALL_H
#define BL_TESTS_CLIENT_CALL_H

/*
 * What tests/e2e/test_client.py drives: one client, configured by the environment, for all calls.
 *
 *   test_client --call RANDOM   calls as JSON lines on stdin, what came of them as JSON lines on
 *                               stdout; RANDOM in 0..1 takes the place of chance in waits
 *
 *   {"service","operation","protocol":"s3"|"query"|"json","method","path","query":[[N,V]..],
 *    "headers":[[N,V]..],"body","hash","host_prefix","region","deadline_ms",
 *    "read":BOOL (by callback),"write":BOOL,"unsafe":BOOL,"body_may_fail":BOOL,
 *    "repeat":N (so many at once)}
 */
int client_calls(const char *random);

#endif
