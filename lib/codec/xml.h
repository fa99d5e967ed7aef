/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_XML_H
#define BL_CODEC_XML_H

#include "base/buf.h"

/*
 * Reads one XML document of a service (expat), calling fn at the end of each element, inner
 * before outer, with its path from the root and its own text:
 *
 *   path  "ListBucketResult/Contents/Key"; namespaces are dropped; at most 256 bytes
 *   text  of the element itself, entities resolved, NUL-terminated; "" when it has none or only
 *         white space between children. Valid during the call.
 *
 * White space before the document is allowed (S3 sends it while it works). Refused as BL_ECORRUPT:
 * a DTD, a processing instruction, depth over 16, over 16 attributes, text of one element over
 * 128 KiB, what is not well-formed, an empty or cut document: then what fn saw of it does not
 * count. fn's non-zero return ends the reading and is returned. `what` names the document in
 * messages.
 */
typedef int bl_xml_fn(void *arg, const char *path, const char *text, struct bl_err *err);
BL_MUST int bl_xml_read(const char *bytes, size_t len, const char *what, bl_xml_fn *fn, void *arg,
                        struct bl_err *err);

/* Appends text with & < > " ' and control characters written as entities; UTF-8 stays the caller's
 * care. */
void bl_xml_add_text(struct bl_buf *buf, const char *text);

#endif
