// SPDX-License-Identifier: GPL-2.0-or-later
// Builds the page from its sources by the rule on top of report.html, as the exporter does in C. Also: node assemble.mjs REPORT.json PAGE.html
import {readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {gunzipSync, gzipSync} from 'node:zlib';
import {fileURLToPath} from 'node:url';

const SOURCES = new URL('../../user/report/export/web/', import.meta.url);

export function sources() {
	const names = readdirSync(SOURCES).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
	const read = (name) => readFileSync(new URL(name, SOURCES), 'utf8');
	return {html: read('report.html'), css: read('report.css'), scripts: names.filter((n) => n.endsWith('.js')).map((n) => ({name: n, text: read(n)}))};
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

/* `json`: the report as text. */
export function assemble(json) {
	const {html, css, scripts} = sources();
	const parts = [['/*HF:CSS*/', css], ['/*HF:JS*/', scripts.map((s) => s.text + '\n').join('')], ['HF:DATA', gzipSync(sorted(json), {level: 9}).toString('base64')]];
	for (const [marker] of parts)
		if (html.split(marker).length !== 2)
			throw new Error(marker + ' must stand exactly once in report.html');
	let page = '', rest = html;
	for (const [at, marker, text] of parts.map(([m, t]) => [html.indexOf(m), m, t]).sort((a, b) => a[0] - b[0])) {
		const cut = rest.indexOf(marker);
		page += rest.slice(0, cut) + text;
		rest = html.slice(at + marker.length);
	}
	return page + rest;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [input, output] = process.argv.slice(2);
	const bytes = readFileSync(input);
	writeFileSync(output, assemble(String(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes)));
}
