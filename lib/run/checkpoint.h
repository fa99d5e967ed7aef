/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CHECKPOINT_H
#define BL_RUN_CHECKPOINT_H

#include "run/keys.h"
#include "run/store.h"

/* Snapshots of checkpoints.path: design 4.4. */

/* What is known of the training while a snapshot is taken. */
struct bl_snapshot_when {
	int64_t quiet_ms; /* checkpoints.quiet */
	bool ended;       /* the command has ended with 0, or after our TERM: no writer is enough */
	bool crashed;     /* a process of the command ended by SIGKILL or a crash signal... */
	int64_t crashed_wall_ms; /* ... at this time: files written within quiet before it are never
	                            taken by the last rule. 0: nobody knows when, it takes none */
	int64_t now_wall_ms;
	double step;          /* newest step, NaN unknown */
	const char *primary;  /* primary metric's name, NULL */
	double primary_value; /* NaN unknown */
};

/* One file (or link) of a manifest. */
struct bl_entry {
	char *path;    /* below checkpoints.path, UTF-8 */
	char *link;    /* target of a symbolic link, NULL for a file */
	char *key;     /* whole store key; NULL for a link */
	uint64_t size; /* bytes */
	uint64_t crc;  /* CRC-64/NVME */
	/* of the source, to recognise it unchanged; a manifest keeps only mtime, in ms */
	int64_t mtime_ns, ctime_ns;
	uint64_t inode;
};

struct bl_manifest {
	unsigned attempt, seq;
	int64_t at_ms;
	double step, primary_value; /* NaN unknown */
	char primary[64];
	struct bl_entry *entries; /* sorted by path, no path twice */
	size_t n;
};
#define BL_MANIFEST ((struct bl_manifest){ 0 })
void bl_manifest_done(struct bl_manifest *manifest);
/* key: of a checkpoint's manifest. BL_ENOENT; BL_ECORRUPT when it is not what its key says. */
BL_MUST int bl_manifest_read(struct bl_store *store, const char *key, struct bl_manifest *out,
                             struct bl_err *err);

/*
 * The snapshots of one attempt: what was published (so that unchanged files point at earlier
 * keys), what changed under our hands, and when a file was last seen to change. Made anew for an
 * attempt whose host was killed, it goes on where that stood: it reads the newest manifest, and
 * recognises unchanged files by size, time and CRC.
 */
struct bl_snapshots;
BL_MUST int bl_snapshots_new(const char *run, unsigned attempt, const char *path,
                             struct bl_snapshots **out, struct bl_err *err);
void bl_snapshots_free(struct bl_snapshots *snapshots);
/*
 * After a restore into `path`: the files restored are unchanged ones of an earlier manifest, so
 * that their objects serve again. Entries of another run (a parent's) are uploaded anew. Copies.
 */
BL_MUST int bl_snapshots_adopt(struct bl_snapshots *snapshots, const struct bl_manifest *restored,
                               struct bl_err *err);

struct bl_published {
	bool published;                 /* false: nothing new is complete */
	char manifest[BL_RUN_KEY_SIZE]; /* key */
	unsigned seq;
	size_t files, new_files;
	uint64_t bytes, new_bytes;
	unsigned incomplete; /* entries left for next time */
	char lost[256];      /* a path that changed under our hands three times in a row; "" */
	char refused[256];   /* a path that no manifest can hold, and why; "" */
};

/*
 * Takes a snapshot: finds the complete entries by the rules of design 4.4, uploads new objects
 * (data first, each read through one descriptor with equal size and times before and after), then
 * the manifest. What is incomplete or changes under our hands keeps the version of the last
 * manifest. Nothing is published unless something is new against it: a checkpoint that was only
 * deleted stays restorable until a new one comes. A missing path is an empty snapshot (published
 * false). On failure (BL_ENOSPC: the store is full) there is no manifest, and what was uploaded
 * for it is deleted again.
 */
BL_MUST int bl_snapshots_take(struct bl_snapshots *snapshots, struct bl_store *store,
                              const struct bl_call *call, const struct bl_snapshot_when *when,
                              struct bl_published *out, struct bl_err *err);

/*
 * Restores the newest manifest of `run` that verifies into the directory `into` (made; must be
 * empty or absent: BL_EEXIST): every file to a temporary name, size and CRC compared, fsync,
 * rename; then links. Falls back manifest by manifest. `said` gets a line per manifest that
 * failed and per link that would lead outside. found false: none verified or there is none: a
 * fresh start. only_manifest (may be NULL): exactly this key, of `run`. A failure that says
 * nothing about the checkpoint (disk full, no rights, a deadline) ends it: -1, and `into` is
 * left without what was restored. restored (may be NULL): for bl_snapshots_adopt().
 */
struct bl_restored {
	bool found;
	char manifest[BL_RUN_KEY_SIZE];
	double step;
	size_t files;
	uint64_t bytes;
};
BL_MUST int bl_checkpoint_restore(struct bl_store *store, const struct bl_call *call,
                                  const char *run, const char *only_manifest, const char *into,
                                  struct bl_restored *out, struct bl_manifest *restored,
                                  struct bl_buf *said, struct bl_err *err);

/*
 * Keeps the newest `keep` manifests (at least one), and the best by the primary metric when
 * keep_best (goal_min: smaller is better): deletes each other manifest first, then the keys that no
 * kept manifest names. Spared: what is newer than every manifest (it is being made), and all
 * objects while a newest manifest cannot be read.
 */
BL_MUST int bl_checkpoint_prune(struct bl_store *store, const char *run, unsigned keep,
                                bool keep_best, bool goal_min, unsigned *removed,
                                struct bl_err *err);

/* Key of the newest manifest (highest N, SEQ); BL_ENOENT when there is none. */
BL_MUST int bl_checkpoint_newest(struct bl_store *store, const char *run, char *key, size_t size,
                                 struct bl_err *err);

/*
 * Final artefacts: uploads every regular file below `dir` whose path matches a glob of globs[n] (n
 * 0: all) to outputs/N/PREFIX/..., verifies each by reading its size back, then
 * outputs/N.manifest.json. A missing dir has no files; links are not followed; with globs nothing
 * below .git or .branchline, and never the store itself, is meant. A file that changes while it is
 * read is tried thrice, then BL_ECORRUPT: the command has ended.
 */
struct bl_outputs {
	size_t files;
	uint64_t bytes;
	char crc[16]; /* CRC64NVME text of the manifest */
};
struct bl_output_dir {
	const char *dir, *prefix; /* "/.../model" goes below outputs/N/model/ */
	const char *const *globs; /* on paths below dir */
	size_t n_globs;
	const char *skip; /* a name directly in dir that is ours and stays here; NULL */
};
BL_MUST int bl_outputs_upload(struct bl_store *store, const struct bl_call *call, const char *run,
                              unsigned attempt, const struct bl_output_dir *dirs, size_t n_dirs,
                              struct bl_outputs *out, struct bl_err *err);
/* Reads the manifest: same type, keys below outputs/. BL_ENOENT. */
BL_MUST int bl_outputs_read(struct bl_store *store, const char *run, unsigned attempt,
                            struct bl_manifest *out, struct bl_err *err);

#endif
