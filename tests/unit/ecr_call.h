/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_ECR_CALL_H
#define BL_TESTS_ECR_CALL_H

/*
 * What tests/e2e/test_ecr_control.py drives: logins and ECR's control plane, by the environment.
 *
 *   test_ecr --call    lines on stdin, what came of each as a JSON line on stdout
 *
 *   login REGISTRY | again REGISTRY
 *   tag REGION ACCOUNT REPOSITORY TAG | create REGION ACCOUNT REPOSITORY
 */
int ecr_calls(void);

#endif
