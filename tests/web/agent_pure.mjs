// SPDX-License-Identifier: GPL-2.0-or-later
// What needs no browser: the sources of the agent's page, and the agent that only pretends against the interface.
import assert from 'node:assert/strict';
import {assets} from './agent_assets.mjs';
import {FakeAgent} from './fake_agent.mjs';
import {note, test} from './tap.mjs';

const ours = () => [...assets()].filter(([, a]) => a.ours).map(([path, a]) => ({path, text: String(a.bytes)}));

test('agent: no source writes markup, evaluates text, or loads from outside', () => {
	for (const {path, text} of ours())
		assert.ok(!/innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|XMLHttpRequest|\bimport\(|@import|url\(|\bm\.trust|\bm\.request|sendBeacon|EventSource\(/.test(text), path);
	const urls = ours().flatMap(({text}) => text.match(/https?:\/\/[^'"\s)]+/g) || []);
	assert.deepEqual(urls, ['http://www.w3.org/2000/svg']);
});

test('agent: only api.js and live.js ask the agent', () => {
	for (const {path, text} of ours())
		if (!/\/(api|live)\.js$/.test(path))
			assert.ok(!/\bfetch\(/.test(text), path);
});

test('agent: every module is reached from app.js, and what is imported is exported and used', () => {
	const modules = new Map(ours().filter(({path}) => path.endsWith('.js') && !path.endsWith('/theme.js')).map(({path, text}) => [path.slice(4), text])), reached = new Set();
	const visit = (name) => {
		if (reached.has(name))
			return;
		reached.add(name);
		for (const [, names, from] of modules.get(name).matchAll(/^import \{([^}]*)\} from '\.\/([^']+)';$/gm)) {
			for (const word of names.split(',').map((w) => w.trim())) {
				assert.match(modules.get(from), new RegExp('export (async )?(const|function|class) ' + word + '\\b'), from + ' exports ' + word);
				assert.ok(modules.get(name).split(new RegExp('\\b' + word + '\\b')).length > 2, name + ' uses ' + word);
			}
			visit(from);
		}
	};
	visit('app.js');
	assert.deepEqual([...modules.keys()].filter((name) => !reached.has(name)), []);
});

test('agent: what a module exports is used by another', () => {
	const modules = ours().filter(({path}) => path.endsWith('.js'));
	for (const {path, text} of modules)
		for (const [, name] of text.matchAll(/export (?:async )?(?:const|function|class) (\w+)/g))
			assert.ok(modules.some((other) => other.path !== path && new RegExp('import \\{[^}]*\\b' + name + '\\b').test(other.text)), path + ': ' + name);
});

test('agent: the page and all that it stands on', () => {
	const sum = (list) => list.reduce((total, [, a]) => total + a.bytes.length, 0), all = [...assets()];
	note(`agent: ${all.length} files, ${sum(all)} bytes; our own ${sum(all.filter(([, a]) => a.ours))}`);
	for (const [path, a] of all)
		assert.ok(a.bytes.length > 0 && a.type, path);
});

test('agent: the agent that pretends refuses what an agent must refuse', async () => {
	const agent = new FakeAgent({token: 'secret'}), url = await agent.listen();
	const status = async (path, options) => (await fetch(url + path, options)).status, auth = {Authorization: 'Bearer secret'};
	try {
		assert.equal(await status('api/v1/status'), 401);
		assert.equal(await status('api/v1/status', {headers: auth}), 200);
		assert.equal(await status(''), 200);
		assert.equal(await status('api/v1/targets/9999', {headers: auth}), 404);
		assert.equal(await status('api/v1/targets/pid-1200', {headers: auth}), 200);
		assert.equal(await status('api/v1/targets?limit=x', {headers: auth}), 400);
		assert.equal(await status('api/v1/status', {method: 'DELETE', headers: auth}), 405);
		assert.equal(await status('api/v1/sessions', {method: 'POST', headers: auth, body: 'x'}), 415);
		assert.equal(await status('api/v1/sessions', {method: 'POST', headers: {...auth, 'Content-Type': 'application/json', Origin: 'http://evil.example'}, body: '{}'}), 403);
		const first = await (await fetch(url + 'api/v1/targets?state=all&sort=name&limit=100', {headers: auth})).json(), second = await (await fetch(url + 'api/v1/targets?state=all&sort=name&limit=1000&cursor=' + first.next_cursor, {headers: auth})).json();
		assert.equal(new Set([...first.targets, ...second.targets].map((t) => t.id)).size, 220);
		assert.equal(second.next_cursor, null);
	} finally {
		await agent.close();
	}
});
