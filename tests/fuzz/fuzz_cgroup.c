/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/cgroup and mountinfo, a NUL between them: a path that fits, or none. */
#include "runner/exec_oom.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	char path[512];

	bl_buf_add(&text, data, size);
	if (text.failed || !text.data)
		return 0;
	const char *mountinfo = text.data + strlen(text.data);
	mountinfo += mountinfo < text.data + text.len;
	if (oom_path(text.data, mountinfo, path, sizeof(path)) && !strchr(path, '/'))
		abort();
	(void)oom_count(text.data);
	return 0;
}
