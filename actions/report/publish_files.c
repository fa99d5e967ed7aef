/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/publish_parts.h"
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

typedef int writer(const struct bl_report *report, struct bl_buf *out, struct bl_err *err);

static const struct {
	const char *name;
	writer *write;
} files[] = {
	{ "report.md", bl_report_md },
	{ "report.html", bl_report_html },
	{ "report.json", bl_report_json },
	{ "curves.svg", bl_report_svg },
};

int publish_files(struct publishing *it, struct bl_err *err)
{
	const char *temp = getenv("RUNNER_TEMP");
	char folder[sizeof(it->out->folder)];
	bool brief = it->report->brief;
	BL_FD fd = -1;
	int rc = 0;

	if (!temp || !*temp)
		return 0;
	if ((size_t)snprintf(folder, sizeof(folder), "%s/branchline/report/%s", temp,
	                     it->run->id) >= sizeof(folder))
		return bl_fail(err, BL_EINPUT, "RUNNER_TEMP is too long");
	if (bl_fs_make_dir(folder, &fd, err))
		return -1;
	it->report->brief = false; /* there is room */
	for (size_t i = 0; i < BL_COUNT(files) && !rc; i++) {
		BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MAX);

		rc = files[i].write(it->report, &text, err) ||
		     bl_fs_replace(fd, files[i].name, bl_buf_text(&text), text.len, 0644, err);
	}
	it->report->brief = brief;
	if (rc)
		return bl_wrap(err, "write '%s'", folder);
	snprintf(it->out->folder, sizeof(it->out->folder), "%s", folder);
	return 0;
}
