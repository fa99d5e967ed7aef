/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_ROLES_H
#define BL_RUNNER_ROLES_H

/*
 * The runner's roles (design 1), each in files of its own. argv[0] is the role's
 * name. Each returns the process's exit status.
 */
int role_host(int argc, char **argv);
int role_exec(int argc, char **argv);
int role_observe(int argc, char **argv);
int role_ship(int argc, char **argv);

#endif
