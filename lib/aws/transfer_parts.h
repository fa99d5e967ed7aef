/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_TRANSFER_PARTS_H
#define BL_AWS_TRANSFER_PARTS_H

#include "aws/s3_parts.h"
#include "aws/transfer.h"

#include <sys/stat.h>

/* What the files of the transfers share. */

enum bl_leg_kind {
	BL_LEG_PUT, /* of an upload */
	BL_LEG_CREATE,
	BL_LEG_PART,
	BL_LEG_COMPLETE,
	BL_LEG_CHECK, /* is what lies there ours? */
	BL_LEG_ABORT,
	BL_LEG_LIST,
	BL_LEG_GET, /* of a download */
	BL_LEG_RANGE,
	BL_LEG_HEAD,
};

/* One request of a transfer: a slot that is used again and again. */
struct bl_leg {
	struct bl_transfers *all;
	struct bl_transfer_state *state; /* NULL: free */
	struct bl_leg *next;             /* of those that ended */
	enum bl_leg_kind kind;
	bool under_way, sending; /* sending: not merely hashed */
	unsigned part, tries;
	uint64_t offset, len; /* in the object */
	uint64_t at, crc;     /* bytes from offset, and their CRC */
	uint64_t counted;     /* of them in state->moved */
	uint64_t announced;   /* the CRC in the head of an upload */
	size_t staged;        /* of a download in `kept`, not yet written */
	bool is_kept;         /* the body of a small upload, in `kept` */
	char *kept;           /* like scratch, as long as the slot is there; NULL: not yet */
	char sum[48];         /* base64 of the checksum in the head of an upload */
	char hash[BL_SHA256_HEX], text[48];
	struct bl_buf body;
	struct bl_aws_request request;
	struct bl_aws_reply reply;
	struct bl_err err;
};

enum bl_transfer_phase {
	BL_PHASE_PUT,
	BL_PHASE_CREATE,
	BL_PHASE_SEND, /* parts */
	BL_PHASE_COMPLETE,
	BL_PHASE_CHECK,
	BL_PHASE_ABORT,
	BL_PHASE_LIST,
	BL_PHASE_GET,
	BL_PHASE_LEARN,   /* size and etag are not known: HEAD and the first part */
	BL_PHASE_RECEIVE, /* parts */
	BL_PHASE_END,
};

struct bl_part {
	char etag[72], sum[48];
};

struct bl_transfer_state {
	struct bl_transfers *all;
	struct bl_transfer *transfer;
	struct bl_transfer_state *next, *prev; /* a ring */
	char *key;
	char etag[BL_ETAG_SIZE]; /* If-Match, "": not known */
	enum bl_transfer_phase phase;
	uint64_t size, part_bytes, moved;
	unsigned n_parts, next_part, parts_done, legs;
	struct bl_part *parts; /* [n_parts] of an upload */
	uint64_t *crcs;        /* [n_parts] */
	struct stat before;    /* of an upload's file */
	char *upload_id;       /* NULL: none to be ended */
	bool again;            /* once it is ended: from the beginning */
	unsigned restarts;     /* so far */
	unsigned aborts;       /* of this upload id */
	bool head_begun, head_done, has_crc;
	bool nothing;       /* a range of it cannot be had */
	uint64_t head_crc;  /* of the whole object, where has_crc */
	char sha_text[48];  /* base64 of the SHA-256, where S3 has that instead */
	uint64_t allocated; /* of a download's file */
	struct bl_err err;
};

struct bl_transfers {
	struct bl_s3 *s3;
	uint64_t part_bytes;
	unsigned at_once, n_legs;
	size_t n_states;
	struct bl_transfer_state *turn;  /* in the ring of all states: whose it is */
	struct bl_transfer_state *spare; /* ended, to be used again */
	struct bl_leg *ended, **ended_end;
	bool over;           /* some state has come to its end */
	struct bl_leg *legs; /* [at_once] */
	char *scratch;       /* from BL_MIDDLE of it on */
};

#define BL_SCRATCH_BYTES ((size_t)256 << 10) /* fits a core's own cache */
#define BL_PAGE_BYTES 4096
/*
 * Both copy four times slower, the kernel and libc, to where the target is 1 to 31 bytes further
 * into its page than the source (rep movsb of AMD's Zen). A file's page begins at 0, a large block
 * of malloc() 16 bytes in, so ours begin in the middle.
 */
#define BL_MIDDLE ((size_t)BL_PAGE_BYTES / 2)
#define BL_KEPT_BYTES ((size_t)64 << 10)
#define BL_KEPT_SLOTS 64 /* more at once: none is kept, to bound the memory */

/* transfer_state.c: puts it into the ring, its key copied (NULL: out of memory); takes it
 * out and ends its legs. */
BL_MUST struct bl_transfer_state *bl_state_new(struct bl_transfers *all,
                                               struct bl_transfer *transfer);
void bl_state_free(struct bl_transfer_state *state);
void bl_state_free_spare(struct bl_transfers *all);

/* transfer.c */
/* The first failure decides; other legs are ended, an upload's parts too. */
void bl_transfer_fail(struct bl_transfer_state *state, const struct bl_err *err);
/* Ends the legs that are under way; what they did is forgotten. */
void bl_transfer_drop_legs(struct bl_transfer_state *state);
void bl_transfer_end(struct bl_transfer_state *state);
/* Sends it once more: its result was not to be trusted. */
BL_MUST int bl_leg_repeat(struct bl_leg *leg, struct bl_err *err);

/* transfer_body.c: callbacks of the client, and the pass before. */
void bl_transfer_moved(struct bl_leg *leg, uint64_t len);
void bl_transfer_unmoved(struct bl_leg *leg); /* it begins anew */
/* The CRC of the object, from those of its parts. */
uint64_t bl_transfer_joined(const struct bl_transfer_state *state);
int bl_leg_read(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err);
int bl_leg_write(void *arg, const char *bytes, size_t len, struct bl_err *err);
/* Writes what is staged. */
BL_MUST int bl_leg_flush(struct bl_leg *leg, struct bl_err *err);
int bl_leg_restart(void *arg, struct bl_err *err);
/* Reads the leg's bytes once: leg->announced, leg->sum, in SHA-256 mode leg->hash. */
BL_MUST int bl_leg_sum(struct bl_leg *leg, struct bl_err *err);
/* After the last byte of a download: BL_ECORRUPT when S3 has another SHA-256 of the whole, and
 * nothing else to compare with. */
BL_MUST int bl_download_check_sha(const struct bl_transfer_state *state, struct bl_err *err);
/* BL_ECORRUPT when the file of an upload is not what it was. */
BL_MUST int bl_upload_unchanged(const struct bl_transfer_state *state, struct bl_err *err);

/* transfer_upload.c, transfer_upload_legs.c, transfer_download.c */
void bl_upload_begin(struct bl_transfer_state *state);
bool bl_upload_wants(const struct bl_transfer_state *state); /* a leg, now */
BL_MUST int bl_upload_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err);
void bl_upload_ended(struct bl_transfer_state *state, struct bl_leg *leg);
void bl_download_begin(struct bl_transfer_state *state);
bool bl_download_wants(const struct bl_transfer_state *state);
BL_MUST int bl_download_leg(struct bl_transfer_state *state, struct bl_leg *leg,
                            struct bl_err *err);
void bl_download_ended(struct bl_transfer_state *state, struct bl_leg *leg);

#endif
