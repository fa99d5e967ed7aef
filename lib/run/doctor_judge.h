/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DOCTOR_JUDGE_H
#define BL_RUN_DOCTOR_JUDGE_H

#include "aws/budgets.h"
#include "aws/quotas.h"
#include "run/doctor.h"
#include "run/image_look.h"

/* The judgements: pure, from what was seen to what it means. */

#define BL_FAMILIES_MAX 8
struct bl_family {
	const char *quota;                  /* its code */
	int64_t least, most;                /* vCPUs of its smallest and largest wanted type */
	const char *least_type, *most_type; /* their names */
	double vcpus;                       /* of the quota; NaN: not known */
	struct bl_err err;                  /* why not */
};
/* The quotas that the types count against, in the order of their first types. */
size_t bl_doctor_families(const struct bl_check_type *types, size_t n, bool spot,
                          struct bl_family families[BL_FAMILIES_MAX]);
void bl_doctor_judge_quota(const struct bl_family *families, size_t n, const char *region,
                           struct bl_checks *out);

void bl_doctor_judge_template(const struct bl_stack_template *wanted,
                              const struct bl_ec2_template *found, struct bl_checks *out);
/* Whether EC2 starts an instance with this tag while tags are in its metadata (EC2 User Guide,
 * "Access to tags in instance metadata"). */
bool bl_doctor_tag_fits(const char *key);

/* owner: where AWS says the bucket is. */
void bl_doctor_judge_bucket(const char *bucket, const char *owner, const char *region,
                            struct bl_checks *out);
void bl_doctor_judge_clock(int64_t skew_s, struct bl_checks *out);

/* --- The stack -------------------------------------------------------------------------------- */

/* Which of the types can be had where: types x the stack's zones. */
void bl_doctor_judge_offers(const struct bl_stack *stack, const char *const *types, size_t n_types,
                            const struct bl_ec2_offer *offers, size_t n, struct bl_checks *out);
void bl_doctor_judge_subnets(const struct bl_stack *stack, const struct bl_ec2_subnet *subnets,
                             size_t n, struct bl_checks *out);
void bl_doctor_judge_budget(const char *name, const struct bl_budget *budget,
                            struct bl_checks *out);
/* What the templates' drivers serve, as far as the stack says it. */
void bl_doctor_judge_cuda(const struct bl_stack *stack, struct bl_checks *out);
/* The image of a commit. gpu: whether the job needs one, and so a driver. */
void bl_doctor_judge_image(const struct bl_stack *stack, const char *sha,
                           const struct bl_looked *image, bool gpu, struct bl_checks *out);

/* --- GitHub ----------------------------------------------------------------------------------- */

/*
 * environment: reply of GET environments/NAME, NULL: there is none; policies: of its
 * deployment-branch-policies, NULL: not asked.
 */
void bl_doctor_judge_environment(const char *name, const struct bl_value *environment,
                                 const struct bl_value *policies, struct bl_checks *out);
/*
 * document: a role's trust policy. Wanted: the repository's subjects in both forms (facts: of which
 * a token has, a repository's age and settings decide); with an environment those alone.
 */
struct bl_trust_wanted {
	const char *repository;          /* "owner/name" */
	const char *environment;         /* NULL or "": none */
	const char *branch;              /* the default one */
	int64_t repository_id, owner_id; /* 0: not known, the classic form alone */
};
void bl_doctor_judge_trust(const char *role, const struct bl_value *document,
                           const struct bl_trust_wanted *wanted, struct bl_checks *out);
/* settings: of a private repository's fork-pr-workflows-private-repos. */
void bl_doctor_judge_forks(const struct bl_value *settings, struct bl_checks *out);

/*
 * One workflow file: whether a job of it runs Branchline's training or a part of it, and then its
 * permissions, its concurrency, its events. Returns whether it does; adds nothing if not.
 */
bool bl_doctor_judge_workflow(const char *file, const struct bl_value *workflow,
                              struct bl_checks *out);

#endif
