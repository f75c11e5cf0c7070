// SPDX-License-Identifier: GPL-2.0-or-later
// The files of the agent's page by path, as user/agent/web_assets.c lists them and the Makefile names them.
import {readdirSync, readFileSync} from 'node:fs';
import {basename} from 'node:path';

const TOP = new URL('../../', import.meta.url);
const WEB = ['user/agent/web/', 'user/report/export/web/', 'user/report/export/web/report/', 'user/report/export/web/diff/'];
const read = (path) => readFileSync(new URL(path, TOP), 'utf8');
const nameOf = (path) => basename(path.replace(/\/copyright$/, '_copyright')).replace(/[.+-]/g, '_');

/* What Debian's packages installed: INSTALLED_WEB of the Makefile. */
function installed() {
	const text = /^INSTALLED_WEB := ((?:.*\\\n)*.*)/m.exec(read('Makefile'))[1].replace(/\\\n/g, ' ');
	const listed = text.match(/\/usr\/share\/doc\/,[^)]*/)[0].slice('/usr/share/doc/,'.length).trim().split(/\s+/);
	return [...text.split(/\s+/).filter((w) => /^\/.*\.(js|css)$/.test(w)), ...listed.map((p) => '/usr/share/doc/' + p + '/copyright')];
}

let table;

/* path → {type, bytes, file, ours: whether it is of user/agent/web}. */
export function assets() {
	if (table)
		return table;
	const files = new Map();
	for (const folder of WEB)
		for (const entry of readdirSync(new URL(folder, TOP), {withFileTypes: true}))
			if (entry.isFile())
				files.set(nameOf(entry.name), new URL(folder + entry.name, TOP));
	for (const path of [...installed(), new URL('LICENSE', TOP).pathname])
		files.set(nameOf(path), path);
	const source = read('user/agent/web_assets.c'), types = Object.fromEntries([...source.matchAll(/^#define (\w+)\s+"([^"]*)"/gm)].map((x) => [x[1], x[2]]));
	table = new Map([...source.matchAll(/X\("([^"]+)", (\w+), (\w+)\)/g)].map(([, path, name, type]) => [path, {type: types[type], bytes: readFileSync(files.get(name)), file: String(files.get(name)), ours: String(files.get(name)).includes('/user/agent/web/')}]));
	return table;
}
