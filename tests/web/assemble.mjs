// SPDX-License-Identifier: GPL-2.0-or-later
// Builds the page from its sources by the rule on top of report/export/page.h, as the exporter does in C. Also: node assemble.mjs REPORT.json PAGE.html
import {readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {gunzipSync, gzipSync} from 'node:zlib';
import {fileURLToPath} from 'node:url';

const SOURCES = new URL('../../user/report/export/web/', import.meta.url);

export const PAGES = ['report', 'diff'];

/* The shared files, then those of the page, each as {name, text}. */
function files(page, ending) {
	const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
	return ['', page + '/'].flatMap((folder) => readdirSync(new URL(folder, SOURCES)).filter((n) => n.endsWith(ending)).sort(byBytes)
		.map((name) => ({name, text: readFileSync(new URL(folder + name, SOURCES), 'utf8')})));
}

export function sources(page = 'report') {
	const [shell, body] = files(page, '.html').map((f) => f.text);
	return {shell, body, html: shell + body, css: files(page, '.css').map((f) => f.text + '\n').join(''), scripts: files(page, '.js')};
}

/* Like stacks side by side: gzip's window is small, and the page sorts for itself. Text that is no report stays as it is. */
function sorted(json) {
	let report;
	try {
		report = JSON.parse(json);
	} catch {
		return json;
	}
	if (!Array.isArray(report.sites))
		return json;
	const key = (site) => Array.isArray(site?.stack) ? site.stack.map((i) => String(i).padStart(6, '0')).reverse().join(' ') : '';
	const keyed = report.sites.map((site) => [key(site), site]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
	return JSON.stringify({...report, sites: keyed.map((k) => k[1])});
}

/* `json`: the data as text. */
export function assemble(json, kind = 'report') {
	const {shell, body, css, scripts} = sources(kind);
	const parts = [['/*HF:CSS*/', css], ['<!--HF:BODY-->', body + '\n'], ['HF:DATA', gzipSync(sorted(json), {level: 9}).toString('base64')], ['/*HF:JS*/', scripts.map((s) => s.text + '\n').join('')]];
	for (const [marker] of parts)
		if (shell.split(marker).length !== 2)
			throw new Error(marker + ' must stand exactly once in page.html');
	let page = '', rest = shell;
	for (const [at, marker, text] of parts.map(([m, t]) => [shell.indexOf(m), m, t]).sort((a, b) => a[0] - b[0])) {
		const cut = rest.indexOf(marker);
		page += rest.slice(0, cut) + text;
		rest = shell.slice(at + marker.length);
	}
	return page + rest;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [input, output] = process.argv.slice(2);
	const bytes = readFileSync(input);
	writeFileSync(output, assemble(String(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes)));
}
