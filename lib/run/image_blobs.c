/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_blobs.h"

#include <pthread.h>
#include <string.h>

#define THREADS_MAX 16
#define AT_ONCE 4
#define STACK_BYTES ((size_t)512 << 10) /* musl's default is 128 KiB */

struct work {
	const struct bl_image_jobs *jobs;
	pthread_mutex_t lock;
	size_t next;       /* of jobs */
	uint64_t *sent;    /* of each job, so far */
	uint64_t total;    /* of those that are or will be sent */
	struct bl_err err; /* the first failure */
};

/* One thread, with a place of its own. */
struct hand {
	struct work *work;
	struct bl_place *target;
	size_t job;
	pthread_t thread;
};

static void tell(struct work *work)
{
	uint64_t sent = 0;

	for (size_t i = 0; i < work->jobs->n; i++)
		sent += work->sent[i];
	if (work->jobs->progress)
		work->jobs->progress(work->jobs->arg, sent, work->total);
}

static void moved(void *arg, uint64_t sent)
{
	struct hand *hand = arg;

	pthread_mutex_lock(&hand->work->lock);
	hand->work->sent[hand->job] = sent;
	tell(hand->work);
	pthread_mutex_unlock(&hand->work->lock);
}

/* What turned out to be there needs no sending. */
static void leave_out(struct hand *hand, const struct bl_image_job *job)
{
	struct work *work = hand->work;

	pthread_mutex_lock(&work->lock);
	work->total -= job->piece->blob.size;
	work->sent[hand->job] = 0;
	tell(work);
	pthread_mutex_unlock(&work->lock);
}

/* A blob of elsewhere, which nobody fetches before it is read: it may be mounted. */
struct late {
	const struct bl_image_job *job;
	struct bl_place_blob blob;
	bool is_open;
};

static int read_late(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct late *late = arg;

	if (!late->is_open &&
	    bl_place_open_blob(late->job->from, &late->job->piece->blob, &late->blob, err))
		return -1;
	late->is_open = true;
	return late->blob.source.read(late->blob.source.arg, offset, to, len, err);
}

static int put_from(struct hand *hand, const struct bl_image_job *job, struct bl_push *push,
                    struct bl_err *err)
{
	struct late late = { .job = job, .blob = BL_PLACE_BLOB };
	struct bl_blob_source source = { read_late, &late };
	int rc;

	push->from_repository = bl_place_mount_from(job->from, hand->target);
	rc = bl_place_put_blob(hand->target, &job->piece->blob, &source, push, err);
	bl_place_blob_done(&late.blob);
	return rc;
}

static int put_one(struct hand *hand, const struct bl_image_job *job, struct bl_err *err)
{
	struct bl_push push = { .progress = moved, .arg = hand };
	bool has = false;

	if (bl_place_has_blob(hand->target, &job->piece->blob, &has, err))
		return -1;
	if (has) {
		job->piece->how = BL_IMAGE_THERE;
		leave_out(hand, job);
		return 0;
	}
	if (job->from
	            ? put_from(hand, job, &push, err)
	            : bl_place_put_blob(hand->target, &job->piece->blob, &job->source, &push, err))
		return -1;
	job->piece->how = push.mounted ? BL_IMAGE_MOUNTED : BL_IMAGE_SENT;
	if (push.mounted)
		leave_out(hand, job);
	return 0;
}

/* An image may have one layer twice, such as Docker's empty one: it is put once. */
static bool came_before(const struct bl_image_jobs *jobs, size_t job)
{
	for (size_t i = 0; i < job; i++)
		if (!strcmp(jobs->jobs[i].piece->blob.digest, jobs->jobs[job].piece->blob.digest))
			return true;
	return false;
}

static bool take(struct hand *hand)
{
	struct work *work = hand->work;
	bool got;

	pthread_mutex_lock(&work->lock);
	while (work->next < work->jobs->n && came_before(work->jobs, work->next)) {
		work->jobs->jobs[work->next].piece->how = BL_IMAGE_THERE;
		work->total -= work->jobs->jobs[work->next++].piece->blob.size;
	}
	got = !work->err.code && work->next < work->jobs->n;
	if (got)
		hand->job = work->next++;
	pthread_mutex_unlock(&work->lock);
	return got;
}

static void keep_failure(struct work *work, const struct bl_err *err)
{
	pthread_mutex_lock(&work->lock);
	if (!work->err.code) {
		work->err = *err;
		if (work->jobs->stop)
			atomic_store(work->jobs->stop, true);
	}
	pthread_mutex_unlock(&work->lock);
}

static void *run_hand(void *arg)
{
	struct hand *hand = arg;

	while (take(hand)) {
		struct bl_err err = { 0 };

		if (put_one(hand, &hand->work->jobs->jobs[hand->job], &err))
			keep_failure(hand->work, &err);
	}
	return NULL;
}

/* The caller's thread is one of them; that another cannot be had costs only time. */
static void run_hands(struct work *work)
{
	const struct bl_image_jobs *jobs = work->jobs;
	size_t at_once = jobs->at_once ? jobs->at_once : AT_ONCE;
	size_t want = at_once < jobs->n ? at_once : jobs->n, n = 0;
	struct hand hands[THREADS_MAX], mine = { .work = work, .target = jobs->target };
	pthread_attr_t how;
	bool has_how = want > 1 && !pthread_attr_init(&how);

	if (has_how)
		pthread_attr_setstacksize(&how, STACK_BYTES);
	for (; n + 1 < want && n < THREADS_MAX; n++) {
		struct bl_err err = { 0 };

		hands[n] = (struct hand){ .work = work };
		if (bl_place_clone(jobs->target, &hands[n].target, &err))
			break;
		if (pthread_create(&hands[n].thread, has_how ? &how : NULL, run_hand, &hands[n])) {
			bl_place_close(hands[n].target);
			break;
		}
	}
	if (has_how)
		pthread_attr_destroy(&how);
	run_hand(&mine);
	for (size_t i = 0; i < n; i++) {
		pthread_join(hands[i].thread, NULL);
		bl_place_close(hands[i].target);
	}
}

int bl_image_put_blobs(const struct bl_image_jobs *jobs, struct bl_err *err)
{
	BL_AUTO(bl_buf) sent = BL_BUF(jobs->n * sizeof(uint64_t) + 1);
	struct work work = { .jobs = jobs, .lock = PTHREAD_MUTEX_INITIALIZER };

	if (!jobs->n)
		return 0;
	work.sent = (uint64_t *)(void *)bl_buf_room(&sent, jobs->n * sizeof(uint64_t));
	if (!work.sent)
		return bl_buf_check(&sent, "blobs", err);
	for (size_t i = 0; i < jobs->n; i++) {
		work.sent[i] = 0;
		work.total += jobs->jobs[i].piece->blob.size;
	}
	run_hands(&work);
	if (!work.err.code)
		return 0;
	*err = work.err;
	return -1;
}
