/* SPDX-License-Identifier: Apache-2.0 */
#include "run/outcome.h"

#include <string.h>

static const char *const status_words[] = {
	[BL_STATUS_SUCCESS] = "success",     [BL_STATUS_FAILURE] = "failure",
	[BL_STATUS_CANCELLED] = "cancelled", [BL_STATUS_TIMEOUT] = "timeout",
	[BL_STATUS_BUDGET] = "budget",       [BL_STATUS_INTERRUPTED] = "interrupted",
};

/* Design 4.3: a class, the code of a verb that ends with it, whether another attempt may do better.
 */
static const struct class_row {
	const char *word;
	enum bl_code code;
	bool relaunchable;
} classes[] = {
	[BL_CLASS_NONE] = { "", BL_OK, false },
	[BL_CLASS_CONFIG] = { "config", BL_EINPUT, false },
	[BL_CLASS_DATA] = { "data", BL_EDATA, false },
	[BL_CLASS_CAPACITY] = { "capacity", BL_ECAPACITY, true },
	[BL_CLASS_QUOTA] = { "quota", BL_ECAPACITY, false },
	[BL_CLASS_AUTH] = { "auth", BL_EDENIED, false },
	[BL_CLASS_CANCELLED] = { "cancelled", BL_ECANCELLED, false },
	[BL_CLASS_TIMEOUT] = { "timeout", BL_EDEADLINE, false },
	[BL_CLASS_BUDGET] = { "budget", BL_EDEADLINE, false },
	[BL_CLASS_INTERRUPTED] = { "interrupted", BL_EINTERRUPTED, true },
	[BL_CLASS_LOST] = { "lost", BL_EINTERRUPTED, true },
	[BL_CLASS_BOOT] = { "boot", BL_EINTERRUPTED, true },
	[BL_CLASS_INTERNAL] = { "internal", BL_EBUG, false },
	[BL_CLASS_IMAGE] = { "image", BL_ETRAIN, false },
	[BL_CLASS_DRIVER] = { "driver", BL_ETRAIN, false },
	[BL_CLASS_GPU] = { "gpu", BL_ETRAIN, true },
	[BL_CLASS_STORAGE] = { "storage", BL_ETRAIN, true },
	[BL_CLASS_CUDA_OOM] = { "cuda_oom", BL_ETRAIN, false },
	[BL_CLASS_HOST_OOM] = { "host_oom", BL_ETRAIN, false },
	[BL_CLASS_NAN] = { "nan", BL_ETRAIN, false },
	[BL_CLASS_STALL] = { "stall", BL_ETRAIN, false },
	[BL_CLASS_USER_EXIT] = { "user_exit", BL_ETRAIN, false },
};

const char *bl_status_word(enum bl_status status)
{
	return status_words[status];
}

const char *bl_class_word(enum bl_class class)
{
	return classes[class].word;
}

int bl_status_parse(const char *word, enum bl_status *out, struct bl_err *err)
{
	for (size_t i = 0; i < BL_COUNT(status_words); i++) {
		if (!strcmp(word, status_words[i])) {
			*out = (enum bl_status)i;
			return 0;
		}
	}
	return bl_fail(err, BL_EINPUT, "'%.32s' is no status", word);
}

int bl_class_parse(const char *word, enum bl_class *out, struct bl_err *err)
{
	for (size_t i = 0; i < BL_COUNT(classes); i++) {
		if (!strcmp(word, classes[i].word)) {
			*out = (enum bl_class)i;
			return 0;
		}
	}
	return bl_fail(err, BL_EINPUT, "'%.32s' is no failure class", word);
}

bool bl_class_relaunchable(enum bl_class class)
{
	return classes[class].relaunchable;
}

int bl_class_exit_status(enum bl_class class)
{
	return bl_exit_status(classes[class].code);
}

enum bl_code bl_class_code(enum bl_class class)
{
	return classes[class].code;
}

enum bl_class bl_class_of_error(const struct bl_err *err)
{
	switch (err->code) {
	case BL_OK:
		return BL_CLASS_NONE;
	case BL_EINPUT:
	case BL_EBUSY:
	case BL_EEXIST:
	case BL_ENOENT:
		return BL_CLASS_CONFIG;
	case BL_EDATA:
		return BL_CLASS_DATA;
	case BL_EDENIED:
		return BL_CLASS_AUTH;
	case BL_ECAPACITY:
		return BL_CLASS_CAPACITY;
	case BL_ECORRUPT:
	case BL_ENOSPC:
	case BL_EIO:
	case BL_ETIMEOUT:
	case BL_ERETRY:
		return BL_CLASS_STORAGE;
	case BL_ETRAIN:
		return BL_CLASS_USER_EXIT;
	case BL_ECANCELLED:
		return BL_CLASS_CANCELLED;
	case BL_EDEADLINE:
		return BL_CLASS_TIMEOUT;
	case BL_EINTERRUPTED:
		return BL_CLASS_INTERRUPTED;
	case BL_ELIMIT:
	case BL_ENOMEM:
	case BL_EBUG:
		return BL_CLASS_INTERNAL;
	}
	return BL_CLASS_INTERNAL;
}

enum bl_status bl_class_status(enum bl_class class)
{
	switch (class) {
	case BL_CLASS_NONE:
		return BL_STATUS_SUCCESS;
	case BL_CLASS_CANCELLED:
		return BL_STATUS_CANCELLED;
	case BL_CLASS_TIMEOUT:
		return BL_STATUS_TIMEOUT;
	case BL_CLASS_BUDGET:
		return BL_STATUS_BUDGET;
	case BL_CLASS_INTERRUPTED:
	case BL_CLASS_LOST:
	case BL_CLASS_BOOT:
		return BL_STATUS_INTERRUPTED;
	default:
		return BL_STATUS_FAILURE;
	}
}
