/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/xml.h"

#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 16
#define ATTRIBUTES_MAX 16
#define PATH_MAX_BYTES 256
#define TEXT_MAX_BYTES ((size_t)128 << 10) /* EC2's console output: 64 KiB in base64 */

/* An open element; its path and text begin where its parent's end. */
struct frame {
	size_t path_len; /* of the path with its name */
	size_t text_from;
	bool has_children;
};

struct reading {
	XML_Parser parser;
	const char *what;
	char path[PATH_MAX_BYTES + 1];
	struct bl_buf text; /* of all open elements, one after the other */
	struct frame stack[DEPTH_MAX];
	size_t depth;
	bl_xml_fn *fn;
	void *arg;
	int stopped; /* what to return; 0: goes on */
	struct bl_err *err;
};

static void reading_done(struct reading *reading)
{
	if (reading->parser)
		XML_ParserFree(reading->parser);
	bl_buf_done(&reading->text);
}

/* expat may call a few handlers more: each looks at `stopped` first. */
static void stop(struct reading *reading, int rc)
{
	reading->stopped = rc;
	XML_StopParser(reading->parser, XML_FALSE);
}

static void refuse(struct reading *reading, const char *why)
{
	stop(reading, bl_fail(reading->err, BL_ECORRUPT, "%s: line %lu: %s", reading->what,
	                      (unsigned long)XML_GetCurrentLineNumber(reading->parser), why));
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return false;
	return true;
}

/* Drops the text if it only lays out the children of its element. */
static void drop_layout(struct reading *reading, const struct frame *top)
{
	size_t len = reading->text.len - top->text_from;

	if (!len || !is_blank(reading->text.data + top->text_from, len))
		return;
	reading->text.len = top->text_from;
	reading->text.data[top->text_from] = '\0';
}

static bool has_too_many(const XML_Char **attributes)
{
	size_t n = 0;

	while (attributes[2 * n])
		n++;
	return n > ATTRIBUTES_MAX;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *reading = arg;
	struct frame *top = reading->depth ? &reading->stack[reading->depth - 1] : NULL;
	const char *colon = strrchr(name, ':'), *local = colon ? colon + 1 : name;
	size_t from = top ? top->path_len + 1 : 0, len = strlen(local);

	if (reading->stopped)
		return;
	if (reading->depth == DEPTH_MAX || has_too_many(attributes)) {
		refuse(reading, reading->depth == DEPTH_MAX ? "nested deeper than 16"
		                                            : "more than 16 attributes");
		return;
	}
	if (!len || from + len > PATH_MAX_BYTES) {
		refuse(reading, len ? "names too long" : "a name without its local part");
		return;
	}
	if (top)
		reading->path[from - 1] = '/';
	memcpy(reading->path + from, local, len + 1);
	if (top) {
		top->has_children = true;
		drop_layout(reading, top);
	}
	reading->stack[reading->depth++] = (struct frame){
		.path_len = from + len,
		.text_from = reading->text.len,
	};
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct reading *reading = arg;
	const struct frame *top;

	if (reading->stopped)
		return;
	top = &reading->stack[reading->depth - 1];
	if (reading->text.len - top->text_from + (size_t)len > TEXT_MAX_BYTES) {
		refuse(reading, "text of more than 128 KiB");
		return;
	}
	bl_buf_add(&reading->text, text, (size_t)len);
	if (bl_buf_check(&reading->text, reading->what, reading->err))
		stop(reading, -1);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct reading *reading = arg;
	const struct frame *top;
	int rc;

	(void)name;
	/* a root that was refused ends, too, at depth 0 */
	if (reading->stopped)
		return;
	top = &reading->stack[reading->depth - 1];
	if (top->has_children)
		drop_layout(reading, top);
	rc = reading->fn(reading->arg, reading->path, bl_buf_text(&reading->text) + top->text_from,
	                 reading->err);
	if (rc) {
		stop(reading, rc);
		return;
	}
	if (reading->text.data) {
		reading->text.len = top->text_from;
		reading->text.data[top->text_from] = '\0';
	}
	reading->depth--;
	reading->path[reading->depth ? reading->stack[reading->depth - 1].path_len : 0] = '\0';
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_internal_subset)
{
	struct reading *reading = arg;

	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	if (!reading->stopped)
		refuse(reading, "a document type, which no service sends");
}

static void on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
	struct reading *reading = arg;

	(void)target;
	(void)data;
	if (!reading->stopped)
		refuse(reading, "a processing instruction, which no service sends");
}

static int parse(struct reading *reading, const char *bytes, size_t len)
{
	enum XML_Error code;

	XML_SetUserData(reading->parser, reading);
	XML_SetElementHandler(reading->parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading->parser, on_text);
	XML_SetDoctypeDeclHandler(reading->parser, on_doctype, NULL);
	XML_SetProcessingInstructionHandler(reading->parser, on_instruction);
	if (XML_Parse(reading->parser, bytes, (int)len, XML_TRUE) == XML_STATUS_OK)
		return 0;
	if (reading->stopped)
		return reading->stopped;
	code = XML_GetErrorCode(reading->parser);
	if (code == XML_ERROR_NO_MEMORY)
		return bl_fail(reading->err, BL_ENOMEM, "%s: out of memory", reading->what);
	return bl_fail(reading->err, BL_ECORRUPT, "%s: line %lu: not XML: %s", reading->what,
	               (unsigned long)XML_GetCurrentLineNumber(reading->parser),
	               XML_ErrorString(code));
}

int bl_xml_read(const char *bytes, size_t len, const char *what, bl_xml_fn *fn, void *arg,
                struct bl_err *err)
{
	__attribute__((cleanup(reading_done))) struct reading reading = {
		.what = what,
		.text = BL_BUF(DEPTH_MAX * TEXT_MAX_BYTES),
		.fn = fn,
		.arg = arg,
		.err = err,
	};

	/* expat wants "<?xml" first */
	while (len && is_blank(bytes, 1)) {
		bytes++;
		len--;
	}
	if (!len)
		return bl_fail(err, BL_ECORRUPT, "%s: empty, where XML should be", what);
	if (len > INT_MAX)
		return bl_fail(err, BL_ECORRUPT, "%s: too long for XML", what);
	reading.parser = XML_ParserCreate("UTF-8");
	if (!reading.parser)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	return parse(&reading, bytes, len);
}

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	default:
		return NULL;
	}
}

void bl_xml_add_text(struct bl_buf *buf, const char *text)
{
	for (; *text; text++) {
		const char *entity = entity_of(*text);
		unsigned char c = (unsigned char)*text;

		if (entity)
			bl_buf_adds(buf, entity);
		else if (c < 0x20 || c == 0x7f)
			bl_buf_addf(buf, "&#x%X;", c);
		else
			bl_buf_addc(buf, *text);
	}
}
