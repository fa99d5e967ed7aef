/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- Dockerfiles of others -------------------------------------------------------------------- */

static int list_from(void *arg, const char *image, bool resolved, unsigned line, struct bl_err *err)
{
	struct bl_buf *out = arg;

	bl_buf_addf(out, "%s%u:%s%s", out->len ? " " : "", line, image, resolved ? "" : "?");
	return bl_buf_check(out, "list", err);
}

static void images_of_a_dockerfile_are_found(void **state)
{
	static const struct {
		const char *text, *images;
	} rows[] = {
		{ "", "" },
		{ "FROM a\n", "1:a" },
		{ "from a as b\nFROM B\n", "1:a" },
		{ "# FROM x\nFROM scratch\nCOPY --from=c:1 / /\n", "3:c:1" },
		{ "FROM --platform=linux/amd64 a@sha256:00 AS one\nCOPY --chown=1 --from=one x y\n",
		  "1:a@sha256:00" },
		{ "FROM a\nCOPY --from=0 x y\n", "1:a" },
		{ "ARG V=1\nARG W=\"two words\" X=3\nFROM a:$V-${X}\n", "3:a:1-3" },
		{ "FROM a:${V:-9}${W-8}\n", "1:a:98" },
		{ "ARG V\nFROM a:${V}\n", "2:a:${V}?" },
		{ "FROM \\\n  # between\n\n  a \\\n  AS b\n", "1:a" },
		{ "FROM a\nARG V=1\nFROM b:$V\n", "1:a 3:b:$V?" },
		{ "# escape=`\nFROM `\na\nRUN x\\\nFROM b\n", "2:a 5:b" },
		{ "FROM a\nRUN x \\\n  FROM b\n", "1:a" },
		{ "FROM a\r\nRUN x\r\n", "1:a" },
		{ "FROM a\nRUN x\\", "1:a" },
		{ "FROM a\nRUN --mount=type=bind,from=b:1,target=/x --mount=from=c y\n",
		  "1:a 2:b:1 2:c" },
		{ "FROM a AS s\nRUN --mount=type=cache,target=/x,from=s --network=none x\n",
		  "1:a" },
		{ "FROM a\nRUN x --mount=from=b\n", "1:a" }, /* an argument of x */
		{ "FROM a\nRUN python3 <<EOF\nfrom x import y\nEOF\nFROM b\n", "1:a 5:b" },
		{ "FROM a\nCOPY <<-'ONE' <<TWO /x/\nfrom c\n\tONE\nONE\nfrom d\n\tTWO\nTWO\r\n"
		  "FROM b\n",
		  "1:a 9:b" },
		{ "FROM a\nRUN cat <<<EOF\nFROM b\nRUN echo \"<<EOF\"\nFROM c\n", "1:a 3:b 5:c" },
		{ "FROM a\nENV X=1<<EOF\nFROM b\n", "1:a 3:b" },
		{ "FROM a\nRUN x <<EOF\nFROM b\n", "1:a" }, /* without its end */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(
			build_each_from(rows[i].text, strlen(rows[i].text), list_from, &out, &err),
			0);
		assert_string_equal(bl_buf_text(&out), rows[i].images);
	}
}

static void what_is_not_pinned_is_said(void **state)
{
	static const char text[] = "ARG A\nFROM b:1\nFROM c@sha256:00\nFROM $A\n";
	BL_AUTO(bl_buf) warn = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(build_warn_tags(text, strlen(text), "d/Dockerfile", &warn, &err), 0);
	assert_string_equal(
		bl_buf_text(&warn),
		"d/Dockerfile:2: b:1 is not pinned by digest: when it moves, no new base is built\n"
		"d/Dockerfile:4: $A is named by an argument without a default: when it moves, no "
		"new "
		"base is built");
}

static void only_registries_on_loopback_go_without_tls(void **state)
{
	static const struct {
		const char *text;
		bool all;
	} rows[] = {
		{ "FROM localhost:5000/a\n", true },
		{ "FROM 127.0.0.1:5000/a\nCOPY --from=localhost/b x y\n", true },
		{ "FROM localhost:5000/a\nFROM b\n", false },
		{ "FROM [::1]:5000/a\n", true },
		{ "FROM localhost.example.com/a\n", false },
		{ "FROM 127.example.com/a\n", false },
		{ "FROM 127.0.0.1.example.com:5000/a\n", false },
		{ "FROM localhost:5000/a\nRUN --mount=from=b,target=/b x\n", false },
		{ "FROM localhostile:5000/a\n", false },
		{ "FROM $X\n", false },
		{ "FROM scratch\n", false },
		{ "FROM UPPER/x\n", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		struct bl_err err = { 0 };
		bool all;

		assert_int_equal(build_all_loopback(rows[i].text, strlen(rows[i].text), &all, &err),
		                 0);
		if (all != rows[i].all)
			fail_msg("%s: %d", rows[i].text, all);
		assert_int_equal(err.code, BL_OK);
	}
}

/* --- Requirements ----------------------------------------------------------------------------- */

static int list_name(void *arg, enum build_named kind, const char *path, unsigned line,
                     struct bl_err *err)
{
	struct bl_buf *out = arg;

	bl_buf_addf(out, "%s%u:%c:%s", out->len ? " " : "", line, "flkp"[kind], path);
	return bl_buf_check(out, "list", err);
}

static void names_in_requirements_are_found(void **state)
{
	static const struct {
		const char *text, *names;
	} rows[] = {
		{ "", "" },
		{ "numpy==1.0\ntorch>=2; python_version<'3.9'\nx[extra]==1 # -r no\n", "" },
		{ "-r a.txt\n--requirement b.txt\n--requirement=c.txt\n-rd.txt\n",
		  "1:f:a.txt 2:f:b.txt 3:f:c.txt 4:f:d.txt" },
		{ "-c con.txt\n--constraint=d.txt\n", "1:f:con.txt 2:f:d.txt" },
		{ "-f wheels\n--find-links ./more\n--find-links https://x/y\n",
		  "1:k:wheels 2:k:./more" },
		{ "-e .\n--editable=./lib[all]\n-e git+https://x/y#egg=z\n", "1:l:. 2:l:./lib" },
		{ "./a-1.whl\nw/b-1.whl ; python_version>'3'\nc.tar.gz --hash=sha256:00\n",
		  "1:l:./a-1.whl 2:l:w/b-1.whl 3:l:c.tar.gz" },
		{ "https://h/a.whl\na @ file:///b.whl\nfile:c.whl\n/abs/d.whl\n-r /abs/e.txt\n",
		  "" },
		{ "# -r a.txt\n  -r b.txt  # why\n", "2:f:b.txt" },
		{ "x==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n-r a.txt\n",
		  "4:f:a.txt" },
		{ "-r a.txt\r\n-r b.txt", "1:f:a.txt 2:f:b.txt" },
		{ "--index-url https://x\n--no-index\n--require-hashes\n--requirements x\n", "" },
		{ "-r a.txt \\", "1:f:a.txt" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(
			build_each_name(rows[i].text, strlen(rows[i].text), list_name, &out, &err),
			0);
		assert_string_equal(bl_buf_text(&out), rows[i].names);
	}
}

static void names_in_locks_are_found(void **state)
{
	static const char text[] = "[[package]]\nsource = { editable = \".\" }\n"
				   "source = { directory = \"libs/a\" }\n"
				   "wheels = [{ path = \"w/b.whl\", hash = \"x\" }]\n"
				   "source = { registry = \"https://packages.example/simple\" }\n"
				   "path = \"/abs\"\npathology = \"c\"\n";
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(build_each_name_of_lock(text, strlen(text), list_name, &out, &err), 0);
	assert_string_equal(bl_buf_text(&out), "3:p:libs/a 4:p:w/b.whl");
}

static void paths_are_joined(void **state)
{
	static const struct {
		const char *dir, *path, *out;
	} rows[] = {
		{ "", "a", "a" },       { "d", "a", "d/a" },       { "d/e", "../a", "d/a" },
		{ "d", "./a/", "d/a" }, { "d", ".", "d" },         { "", ".", "" },
		{ "", "a//b", "a/b" },  { "d", "../../a", NULL },  { "", "..", NULL },
		{ "d", "/a", NULL },    { "d", "a/../../b", "b" }, { "d", "...", "d/..." },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		char out[BUILD_PATH_SIZE];
		bool ok = build_join(rows[i].dir, rows[i].path, out);

		assert_int_equal(ok, rows[i].out != NULL);
		if (ok)
			assert_string_equal(out, rows[i].out);
	}
}

/* --- Our Dockerfile --------------------------------------------------------------------------- */

static void our_dockerfile_fits_the_file(void **state)
{
	static const struct {
		const char *file, *has, *has_not;
	} rows[] = {
		{ "requirements.txt", "pip install --requirement requirements.txt\n", "uv==" },
		{ "a/b/requirements-gpu.txt", "cd /opt/branchline/requirements/a/b && ", "uv==" },
		{ "pylock.toml", "--requirement pylock.toml", "uv export" },
		{ "pylock.train.toml", "--requirement pylock.train.toml", "uv export" },
		{ "sub/uv.lock", "$uv export --quiet --frozen", "--requirement uv.lock" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(bl_build_dockerfile(rows[i].file, "r:5/n@sha256:00", &out, &err),
		                 0);
		assert_ptr_equal(strstr(bl_buf_text(&out), "FROM r:5/n@sha256:00\n"), out.data);
		assert_non_null(strstr(bl_buf_text(&out), rows[i].has));
		assert_null(strstr(bl_buf_text(&out), rows[i].has_not));
	}
}

static void no_name_can_become_an_instruction(void **state)
{
	static const struct {
		const char *file, *base, *says;
	} rows[] = {
		{ "setup.py", "b", "'setup.py' is of no known kind" },
		{ "uv.lock.bak", "b", "of no known kind" },
		{ "a b.txt", "b", "characters" },
		{ "a;b.txt", "b", "characters" },
		{ "$(x).txt", "b", "characters" },
		{ "a\nRUN x.txt", "b", "characters" },
		{ "-r.txt", "b", "characters" },
		{ "r.txt", "b\nRUN x", "no name of a base" },
		{ "r.txt", "", "no name of a base" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(bl_build_dockerfile(rows[i].file, rows[i].base, &out, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_int_equal(out.len, 0);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int reading(struct bl_err *err)
{
	static const char dockerfile[] = "ARG A=1\nFROM localhost/b:$A AS c\nFROM c\n";
	static const char requirements[] = "-r a.txt\n./w.whl\n";
	BL_AUTO(bl_buf) out = BL_BUF(8192);
	bool all;

	if (build_warn_tags(dockerfile, strlen(dockerfile), "D", &out, err) ||
	    build_all_loopback(dockerfile, strlen(dockerfile), &all, err) ||
	    build_each_name(requirements, strlen(requirements), list_name, &out, err) ||
	    build_each_name_of_lock("path = \"a\"", 10, list_name, &out, err) ||
	    bl_build_dockerfile("uv.lock", "b", &out, err))
		return -1;
	return bl_buf_check(&out, "all", err);
}

static void memory_may_end(void **state)
{
	(void)state;
	each_allocation_fails(reading, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_of_a_dockerfile_are_found),
		cmocka_unit_test(what_is_not_pinned_is_said),
		cmocka_unit_test(only_registries_on_loopback_go_without_tls),
		cmocka_unit_test(names_in_requirements_are_found),
		cmocka_unit_test(names_in_locks_are_found),
		cmocka_unit_test(paths_are_joined),
		cmocka_unit_test(our_dockerfile_fits_the_file),
		cmocka_unit_test(no_name_can_become_an_instruction),
		cmocka_unit_test(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
