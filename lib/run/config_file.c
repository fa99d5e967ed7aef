/* SPDX-License-Identifier: Apache-2.0 */
/* branchline.yaml: every key known and in its place, the job chosen. */
#include "base/str.h"
#include "codec/yaml.h"
#include "run/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct bl_config_source source;
	bool in_job;
	struct bl_config_layer *layer;
};

static int at_key(const struct reader *r, const struct bl_value *item, struct bl_err *err,
                  const char *what)
{
	return bl_fail(err, BL_EINPUT, "%.128s:%d:%d: %s", r->source.file, item->key_line,
	               item->key_column, what);
}

static int unknown_key(const struct reader *r, const char *section, const struct bl_value *item,
                       struct bl_err *err)
{
	const char *near = bl_config_nearest(section, item->key), *dot = strchr(item->key, '.');
	char what[256];

	if (!*section && dot && bl_config_find(item->key)) {
		snprintf(what, sizeof(what), "key '%s' is written as '%s' below '%.*s:'", item->key,
		         dot + 1, (int)(dot - item->key), item->key);
		return at_key(r, item, err, what);
	}
	snprintf(what, sizeof(what), "unknown key '%.64s%s%.64s'%s%s%s", section,
	         *section ? "." : "", item->key, near ? "; did you mean '" : "", near ? near : "",
	         near ? "'?" : "");
	at_key(r, item, err, what);
	return bl_next(err, "branchline config --help lists every key");
}

static int read_map(const struct reader *r, const char *section, const struct bl_value *map,
                    struct bl_err *err);

static int read_section(const struct reader *r, const struct bl_value *item, struct bl_err *err)
{
	char found[128];

	if (item->type == BL_NULL)
		return 0;
	if (item->type == BL_MAP)
		return read_map(r, item->key, item, err);
	return bl_config_fault(&r->source, item, item->key, err, "expected a map of keys, found %s",
	                       bl_config_found(item, found));
}

static int read_item(const struct reader *r, const char *section, const struct bl_value *item,
                     struct bl_err *err)
{
	char name[BL_CONFIG_NAME + 256];
	const struct bl_config_key *key;
	struct bl_value *value;

	snprintf(name, sizeof(name), "%s%s%.200s", section, *section ? "." : "", item->key);
	key = strchr(item->key, '.') ? NULL : bl_config_find(name);
	if (!*section && bl_config_is_section(item->key) && (!key || item->type != BL_STRING))
		return read_section(r, item, err);
	if (!key)
		return unknown_key(r, section, item, err);
	if (r->in_job && (key->traits & BL_CONFIG_FILE_ONLY))
		return at_key(r, item, err, "version, jobs and default_job are not for a job");
	if (key->traits & BL_CONFIG_FILE_ONLY && key->type != BL_CONFIG_VERSION)
		return 0; /* the job's choice reads them */
	if (bl_config_canonical(key, item, &r->source, &value, err))
		return -1;
	return bl_config_layer_add(r->layer, key, value, &r->source, err);
}

static int read_map(const struct reader *r, const char *section, const struct bl_value *map,
                    struct bl_err *err)
{
	for (size_t i = 0; i < map->n; i++)
		if (read_item(r, section, map->items[i], err))
			return -1;
	return 0;
}

/* "train, eval" as far as they fit */
static const char *job_names(const struct bl_value *jobs, char text[200])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; jobs && i < jobs->n && len + 70 < 200; i++)
		len += (size_t)snprintf(text + len, 200 - len, "%s%.64s", i ? ", " : "",
		                        jobs->items[i]->key);
	return text;
}

static int no_such_job(const struct bl_config_input *input, const struct bl_value *jobs,
                       const struct bl_value *at, const char *job, struct bl_err *err)
{
	const char *names[64], *near;
	char where[160], list[200];
	size_t n = 0;

	for (; jobs && n < jobs->n && n < BL_COUNT(names); n++)
		names[n] = jobs->items[n]->key;
	near = bl_str_nearest(job, names, n);
	snprintf(where, sizeof(where), "%.128s", input->file ? input->file : BL_CONFIG_FILE);
	if (at)
		snprintf(where, sizeof(where), "%.128s:%d:%d", input->file, at->line, at->column);
	if (!n)
		return bl_fail(err, BL_EINPUT, "%s: there is no job '%.64s': it has no jobs", where,
		               job);
	return bl_fail(err, BL_EINPUT, "%s: there is no job '%.64s' (jobs: %s)%s%s%s", where, job,
	               job_names(jobs, list), near ? "; did you mean '" : "", near ? near : "",
	               near ? "'?" : "");
}

static int choose_job(const struct bl_config_input *input, const struct bl_value *root,
                      const struct bl_value **out, struct bl_err *err)
{
	const struct bl_value *jobs = bl_value_get(root, "jobs");
	const struct bl_value *standard = bl_value_get(root, "default_job");
	const char *job = input->job;
	char list[200];

	*out = NULL;
	if (standard && !bl_value_get(jobs, standard->text ? standard->text : ""))
		return no_such_job(input, jobs, standard, standard->text ? standard->text : "",
		                   err);
	if (!job && standard)
		job = standard->text;
	if (!job && jobs && jobs->n == 1)
		job = jobs->items[0]->key;
	/* "default" is what a file without jobs calls all of it */
	if (job && (!jobs || !jobs->n) && !strcmp(job, "default"))
		return 0;
	if (job && !(*out = bl_value_get(jobs, job)))
		return no_such_job(input, jobs, NULL, job, err);
	if (job || !jobs || !jobs->n)
		return 0;
	bl_fail(err, BL_EINPUT, "%s: which job: %s?", input->file, job_names(jobs, list));
	return bl_next(err, "name one with --job, or set default_job");
}

/* All jobs are checked: an error in one is found before it is needed. */
static int read_jobs(struct reader *r, const struct bl_value *jobs, const struct bl_value *chosen,
                     struct bl_err *err)
{
	struct bl_config_layer *wanted = r->layer;
	char found[128];
	int rc = 0;

	if (!jobs || jobs->type == BL_NULL)
		return 0;
	if (jobs->type != BL_MAP)
		return bl_config_fault(&r->source, jobs, "jobs", err,
		                       "expected NAME: {...}, found a %s",
		                       bl_type_name(jobs->type));
	r->in_job = true;
	for (size_t i = 0; i < jobs->n && !rc; i++) {
		const struct bl_value *job = jobs->items[i];
		BL_AUTO(bl_config_layer) scratch = { 0 };

		r->layer = job == chosen ? wanted : &scratch;
		if (!bl_config_is_name(job->key))
			rc = at_key(r, job, err,
			            "a job's name is 1 to 64 letters, digits, '_' and '-'");
		else if (job->type != BL_MAP && job->type != BL_NULL)
			rc = bl_config_fault(&r->source, job, "jobs", err,
			                     "a job is a map of keys, found %s",
			                     bl_config_found(job, found));
		else
			rc = read_map(r, "", job, err);
	}
	r->layer = wanted;
	return rc;
}

static int parse(const struct bl_config_input *input, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE root = NULL;
	const char *bytes = input->bytes;
	size_t len = input->len;
	char found[128];

	if (input->len > BL_CONFIG_FILE_MAX)
		return bl_fail(err, BL_EINPUT, "%s: over the limit of %u bytes", input->file,
		               BL_CONFIG_FILE_MAX);
	if (len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3)) { /* some editors' mark of UTF-8 */
		bytes += 3;
		len -= 3;
	}
	if (bl_yaml_parse(bytes, len, input->file, &root, err))
		return -1;
	if (root->type != BL_MAP)
		return bl_fail(err, BL_EINPUT, "%s:%d:%d: expected a map of keys, found %s",
		               input->file, root->line, root->column, bl_config_found(root, found));
	*out = root;
	root = NULL;
	return 0;
}

int bl_config_read_file(const struct bl_config_input *input, struct bl_config_layer *layer,
                        char job[BL_CONFIG_JOB_SIZE], struct bl_err *err)
{
	BL_VALUE root = NULL;
	struct reader r = { .source = { .file = input->file }, .layer = layer };
	const struct bl_value *chosen = NULL;

	if (!input->bytes && input->job)
		return no_such_job(input, NULL, NULL, input->job, err);
	snprintf(job, BL_CONFIG_JOB_SIZE, "default");
	if (!input->bytes)
		return 0;
	if (parse(input, &root, err))
		return -1;
	if (!bl_value_get(root, "version")) {
		bl_fail(err, BL_EINPUT, "%s:1:1: version is missing", input->file);
		return bl_next(err, "begin the file with 'version: 1'");
	}
	if (read_map(&r, "", root, err))
		return -1;
	const struct bl_value *jobs = bl_value_get(root, "jobs");
	if (jobs && jobs->type != BL_MAP)
		return read_jobs(&r, jobs, NULL, err);
	if (choose_job(input, root, &chosen, err) || read_jobs(&r, jobs, chosen, err))
		return -1;
	if (chosen)
		snprintf(job, BL_CONFIG_JOB_SIZE, "%s", chosen->key);
	return 0;
}

int bl_config_jobs(const struct bl_config_input *input, struct bl_value **out, struct bl_err *err)
{
	BL_VALUE root = NULL;
	BL_VALUE list = bl_value_new(BL_LIST);
	const struct bl_value *jobs;

	if (!list)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (input->bytes && parse(input, &root, err))
		return -1;
	jobs = bl_value_get(root, "jobs");
	for (size_t i = 0; jobs && jobs->type == BL_MAP && i < jobs->n; i++) {
		struct bl_value *name;

		if (bl_value_string(jobs->items[i]->key, &name, err) ||
		    bl_value_append(list, name, err))
			return -1;
	}
	*out = list;
	list = NULL;
	return 0;
}
