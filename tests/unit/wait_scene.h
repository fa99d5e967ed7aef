/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_WAIT_SCENE_H
#define BL_TESTS_WAIT_SCENE_H

#include "run/wait.h"

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define SECOND 1000
#define MINUTE (60 * SECOND)
#define BEGAN 1795507381000

/* One attempt of a run on an instance, as whoever waits sees it. */
struct scene {
	struct bl_wait wait;
	struct bl_wait_seen seen;
	struct bl_run run;
	struct bl_attempts attempts;
	struct bl_started started;
	struct bl_heartbeat beat;
	struct bl_probe probe;
};

/* It was bought just now, and has not beaten yet. */
void scene_make(struct scene *out);
struct bl_wait_step scene_next(struct scene *scene);
void scene_pass(struct scene *scene, int64_t ms);
void scene_beat(struct scene *scene, const char *phase);
void scene_end(struct scene *scene, enum bl_class class, unsigned interruptions);

#endif
