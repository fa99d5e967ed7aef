/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_OUTCOME_H
#define BL_RUN_OUTCOME_H

#include "run/store.h"

/* The end of a run: design 4.3. */
enum bl_status {
	BL_STATUS_SUCCESS,
	BL_STATUS_FAILURE,
	BL_STATUS_CANCELLED,
	BL_STATUS_TIMEOUT,
	BL_STATUS_BUDGET,
	BL_STATUS_INTERRUPTED, /* retries used up */
};

enum bl_class {
	BL_CLASS_NONE, /* success */
	BL_CLASS_CONFIG,
	BL_CLASS_DATA,
	BL_CLASS_CAPACITY,
	BL_CLASS_QUOTA,
	BL_CLASS_AUTH,
	BL_CLASS_CANCELLED,
	BL_CLASS_TIMEOUT,
	BL_CLASS_BUDGET,
	BL_CLASS_INTERRUPTED,
	BL_CLASS_LOST,
	BL_CLASS_BOOT,
	BL_CLASS_INTERNAL,
	BL_CLASS_IMAGE,
	BL_CLASS_DRIVER,
	BL_CLASS_GPU,
	BL_CLASS_STORAGE,
	BL_CLASS_CUDA_OOM,
	BL_CLASS_HOST_OOM,
	BL_CLASS_NAN,
	BL_CLASS_STALL,
	BL_CLASS_USER_EXIT,
};

const char *bl_status_word(enum bl_status status);
const char *bl_class_word(enum bl_class class); /* "" for none */
BL_MUST int bl_status_parse(const char *word, enum bl_status *out, struct bl_err *err);
BL_MUST int bl_class_parse(const char *word, enum bl_class *out, struct bl_err *err);
bool bl_class_relaunchable(enum bl_class class);
int bl_class_exit_status(enum bl_class class);   /* design 4.3's column: 0 1 2 3 4 5 6 70 75 */
enum bl_code bl_class_code(enum bl_class class); /* for a verb that ends with this class */
enum bl_class bl_class_of_error(const struct bl_err *err); /* the class of a failure of our own */
enum bl_status bl_class_status(enum bl_class class);       /* of an attempt that ended with it */

/* How an attempt or a run ended. */
struct bl_result {
	enum bl_status status;
	enum bl_class class;
	char stage[24];    /* phase in which it ended: "claim" "data" "restore" "start" "training"
	                      "flush" */
	int exit_code;     /* of the command, -1: none */
	int signal;        /* that ended the command, 0: none */
	char message[512]; /* one line: what failed and why */
	char next_step[BL_NEXT_SIZE];
};

/* exit.json as exec wrote it. */
struct bl_exit_record {
	bool present, spawned, exited;
	int code, signal;
	bool stop_delivered;
	char stop_reason[32];
	int64_t oom_kills, dropped_bytes;
	char error[384]; /* why it was not spawned */
	char next_step[BL_NEXT_SIZE];
};
BL_MUST int bl_exit_record_parse(const char *bytes, size_t len, struct bl_exit_record *out,
                                 struct bl_err *err);

/* verdict.json as observe wrote it; absent: class NONE. */
struct bl_verdict {
	enum bl_class class;
	char message[512];
};
BL_MUST int bl_verdict_parse(const char *bytes, size_t len, struct bl_verdict *out,
                             struct bl_err *err);

/*
 * exit.json: {"schema":1,"spawned":true,"exited":true,"code":0,"signal":null,
 * "stop_delivered_at":null,"stop_reason":"","oom_kills":0,"dropped_bytes":0,
 * "error":null,"next_step":null};
 * stop_delivered_at is a text or a number when TERM was sent while the command ran.
 * verdict.json: {"schema":1,"class":"user_exit","message":"ValueError: x"}.
 *
 * Pure: what an ended command means (design 4.3). A stop delivered before the command ended is
 * the result whatever the code (`stop_reason` cancelled, timeout, budget, interrupted, nan, stall);
 * success is exit 0 and no stop; no exit record: host_oom when the container counted an oom_kill,
 * else lost; an oom_kill delta names host_oom only with a SIGKILL that we did not send
 * (`we_killed`). 126 and 127 without spawn are class config with the exec error.
 */
void bl_result_judge(const struct bl_exit_record *record, const struct bl_verdict *verdict,
                     bool we_killed, int64_t cgroup_oom_kills, struct bl_result *out);

/* outcome.json */
struct bl_outcome {
	struct bl_result result;
	unsigned attempt;
	int64_t finished_at_ms;
	char nonce[17];
};

/*
 * Creates outcome.json, or learns whose stands; then writes the marker that follows from it
 * when it is missing. `winner` is the one truth.
 */
BL_MUST int bl_outcome_settle(struct bl_store *store, const char *run,
                              const struct bl_outcome *mine, struct bl_outcome *winner,
                              struct bl_err *err);
/* BL_ENOENT while there is none. Writes a missing marker. */
BL_MUST int bl_outcome_read(struct bl_store *store, const char *run, struct bl_outcome *out,
                            struct bl_err *err);

/* Shared by outcome.json and N.end.json. */
struct bl_json;
struct bl_value;
void bl_result_write(struct bl_json *json, const struct bl_result *result);
BL_MUST int bl_result_read(const struct bl_value *map, struct bl_result *out, struct bl_err *err);

#endif
