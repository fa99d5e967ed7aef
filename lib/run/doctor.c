/* SPDX-License-Identifier: Apache-2.0 */
#include "run/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *bl_check_state_name(enum bl_check_state state)
{
	static const char *const names[] = {
		[BL_CHECK_OK] = "ok",
		[BL_CHECK_SKIPPED] = "skipped",
		[BL_CHECK_WARN] = "warn",
		[BL_CHECK_FAIL] = "fail",
	};

	return names[state];
}

struct bl_check *bl_check_add(struct bl_checks *checks, const char *id, const char *title,
                              enum bl_check_state state, const char *seen, ...)
{
	static _Thread_local struct bl_check dropped;
	struct bl_check *check = &dropped;
	va_list args;

	if (checks->n < BL_CHECKS_MAX)
		check = &checks->items[checks->n++];
	else if (state == BL_CHECK_FAIL)
		check = &checks->items[BL_CHECKS_MAX - 1];
	*check = (struct bl_check){ .id = id, .title = title, .state = state };
	if (state == BL_CHECK_FAIL)
		check->code = BL_EINPUT;
	va_start(args, seen);
	vsnprintf(check->seen, sizeof(check->seen), seen, args);
	va_end(args);
	return check;
}

void bl_check_next(struct bl_check *check, enum bl_code code, const char *next, ...)
{
	va_list args;

	if (check->state == BL_CHECK_FAIL)
		check->code = code;
	va_start(args, next);
	vsnprintf(check->next, sizeof(check->next), next, args);
	va_end(args);
}

void bl_check_failed(struct bl_checks *checks, const char *id, const char *title,
                     enum bl_check_state denied, const struct bl_err *err)
{
	enum bl_check_state state = err->code == BL_EDENIED ? denied : BL_CHECK_FAIL;
	struct bl_check *check = bl_check_add(checks, id, title, state, "%s", err->text);

	if (state != BL_CHECK_OK)
		bl_check_next(check, err->code, "%s", err->next);
}

enum bl_check_state bl_checks_worst(const struct bl_checks *checks)
{
	enum bl_check_state worst = BL_CHECK_OK;

	for (size_t i = 0; i < checks->n; i++)
		if (checks->items[i].state > worst && checks->items[i].state != BL_CHECK_SKIPPED)
			worst = checks->items[i].state;
	return worst;
}

int bl_checks_verdict(const struct bl_checks *checks, struct bl_err *err)
{
	for (size_t i = 0; i < checks->n; i++) {
		const struct bl_check *check = &checks->items[i];

		if (check->state != BL_CHECK_FAIL)
			continue;
		bl_fail(err, check->code, "%s: %s", check->title, check->seen);
		return check->next[0] ? bl_next(err, "%s", check->next) : -1;
	}
	return 0;
}
