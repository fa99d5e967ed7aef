/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wait_scene.h"

#include <math.h>
#include <stdio.h>

void scene_make(struct scene *out)
{
	*out = (struct scene){ 0 };
	out->run = (struct bl_run){ .id = RUN,
		                    .created_ms = BEGAN,
		                    .retries = 1,
		                    .max_runtime_ms = 60 * MINUTE,
		                    .grace_ms = MINUTE,
		                    .flush_reserve_ms = 2 * MINUTE,
		                    .max_cost_usd = 5 };
	out->attempts = (struct bl_attempts){
		.newest = 1,
		.claim = { .attempt = 1,
		           .instance_tag = RUN "/1",
		           .heartbeat_ms = 30 * SECOND,
		           .claimed_at_ms = BEGAN },
	};
	bl_started_init(&out->started);
	out->started.started_ms = BEGAN;
	out->started.deadline_ms = BEGAN + 90 * MINUTE;
	snprintf(out->started.instance, sizeof(out->started.instance), "i-1");
	bl_heartbeat_init(&out->beat, 1);
	out->probe = (struct bl_probe){ .owner = BL_ALIVE, .found = true };
	out->seen = (struct bl_wait_seen){ .mono_ms = 1000, .wall_ms = BEGAN, .cost_usd = NAN };
}

struct bl_wait_step scene_next(struct scene *scene)
{
	scene->seen.run = &scene->run;
	scene->seen.attempts = &scene->attempts;
	scene->seen.started = *scene->started.instance ? &scene->started : NULL;
	scene->seen.beat = scene->beat.seq ? &scene->beat : NULL;
	scene->seen.probe = &scene->probe;
	return bl_wait_next(&scene->wait, &scene->seen);
}

void scene_pass(struct scene *scene, int64_t ms)
{
	scene->seen.mono_ms += ms;
	scene->seen.wall_ms += ms;
}

void scene_beat(struct scene *scene, const char *phase)
{
	scene->beat.seq++;
	snprintf(scene->beat.phase, sizeof(scene->beat.phase), "%s", phase);
}

void scene_end(struct scene *scene, enum bl_class class, unsigned interruptions)
{
	scene->attempts.newest_ended = true;
	scene->attempts.interruptions = interruptions;
	scene->attempts.end.result =
		(struct bl_result){ .status = bl_class_status(class), .class = class };
}
