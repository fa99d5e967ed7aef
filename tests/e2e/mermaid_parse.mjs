// SPDX-License-Identifier: Apache-2.0
// Parses charts with one version of mermaid: node mermaid_parse.mjs FOLDER <JSON list of texts
// FOLDER has node_modules with mermaid and jsdom. Prints a JSON list: null, or what was wrong.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";
import fs from "node:fs";

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, "package.json"));
const {JSDOM} = require("jsdom");
const {window} = new JSDOM("<!doctype html><body></body>");
globalThis.window = window;
globalThis.document = window.document;

const entry = path.join(folder, "node_modules", "mermaid", "dist", "mermaid.core.mjs");
const mermaid = (await import(pathToFileURL(entry))).default;
mermaid.initialize({startOnLoad: false, securityLevel: "strict"});

const told = [];
for (const text of JSON.parse(fs.readFileSync(0, "utf8"))) {
    try {
        await mermaid.parse(text);
        told.push(null);
    } catch (error) {
        told.push(String(error.message ?? error).slice(0, 500));
    }
}
console.log(JSON.stringify(told));
