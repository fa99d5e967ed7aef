/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_REGISTRY_PUSH_PARTS_H
#define BL_NET_REGISTRY_PUSH_PARTS_H

#include "net/registry_parts.h"

/*
 * How a blob is put: registry_push.c acts, registry_push_decide.c decides. Pure, all of it.
 *
 *   BEGIN -> ALL -> done                     the good case: POST, PUT
 *   BEGIN -> PART... -> FINISH -> done       a registry that wants parts: POST, PATCH..., PUT
 *   ... lost -> ASK -> PART -> FINISH        after a cut: what was kept is not sent again
 *   ... gone -> LOOK -> BEGIN                the session is lost, or its success was
 */
enum bl_upload_step {
	BL_UPLOAD_BEGIN,  /* POST .../blobs/uploads/ */
	BL_UPLOAD_ALL,    /* PUT with the blob */
	BL_UPLOAD_PART,   /* PATCH with what comes after `kept` */
	BL_UPLOAD_FINISH, /* PUT without body */
	BL_UPLOAD_ASK,    /* GET: how much was kept? */
	BL_UPLOAD_LOOK,   /* HEAD: is the blob there after all? */
	BL_UPLOAD_DONE,
	BL_UPLOAD_FAIL,
};

enum bl_upload_event {
	BL_UPLOAD_OK,
	BL_UPLOAD_NO,      /* LOOK: it is not there */
	BL_UPLOAD_LOST,    /* no reply, or 5xx */
	BL_UPLOAD_GONE,    /* the session is not known, or not at this offset */
	BL_UPLOAD_UNFIT,   /* the registry takes no such request */
	BL_UPLOAD_DAMAGED, /* it got other bytes than we read */
	BL_UPLOAD_REFUSED,
};

#define BL_UPLOAD_TRIES 3
#define BL_UPLOAD_RESUMES 64
#define BL_UPLOAD_PART_BYTES ((uint64_t)10 << 20)

struct bl_upload_state {
	uint64_t size, kept; /* of the blob; what this session holds */
	uint64_t asked_kept; /* when it was last asked */
	unsigned begun;      /* sessions */
	unsigned resumed;
	bool in_parts; /* PATCH in parts, since the whole was refused or lost too often */
	bool no_patch; /* PATCH was refused: only the whole */
};

/* What follows; counts and modes of `at` go along. */
enum bl_upload_step bl_upload_next(struct bl_upload_state *at, enum bl_upload_step now,
                                   enum bl_upload_event event);

/* Where the PATCH that begins at `kept` ends. */
uint64_t bl_upload_part_end(const struct bl_upload_state *at);

/* What a reply says. code: of the registry's error. */
enum bl_upload_event bl_upload_event(enum bl_upload_step step, int status, const char *code);

/* Bytes that a session says to have: of "0-N", "bytes=0-N"; none or "0-0": 0. False: nonsense. */
bool bl_upload_kept(const char *range, uint64_t size, uint64_t *kept);

/*
 * A Location, relative to `asked` (a URL, or the path of one), as a URL of the registry at `base`
 * ("https://host").
 * BL_EDENIED: it is of another host; BL_ECORRUPT: it is no URL.
 */
BL_MUST int bl_upload_location(const char *base, const char *asked, const char *location,
                               struct bl_buf *out, struct bl_err *err);
/* The URL that ends an upload. */
void bl_upload_add_digest(struct bl_buf *url, const char *digest);

#endif
