// SPDX-License-Identifier: GPL-2.0-or-later
// How fast it is, printed and not judged: loading, typing, sorting, a week of figures, a flamegraph of 50,000 boxes.
import {agentTest, chartDrawn, routeHas, targetRows, timed, until} from './agent_harness.mjs';
import {note} from './tap.mjs';

const ms = (v) => v.toFixed(0) + ' ms';
const say = (what, values) => note('agent: ' + what + ': ' + (Array.isArray(values) ? 'median ' + ms(values.slice().sort((a, b) => a - b)[values.length >> 1]) + ', most ' + ms(Math.max(...values)) + ' of ' + values.length : ms(values)));

agentTest('figures: loading and the overview of 215 targets', '/targets', async (page) => {
	await targetRows(page).first().waitFor();
	await page.evaluate(() => performance.mark('rows'));
	const load = await page.evaluate(() => {
		const [n] = performance.getEntriesByType('navigation'), paint = performance.getEntriesByName('first-contentful-paint')[0];
		return {dom: n.domContentLoadedEventEnd, paint: paint ? paint.startTime : 0, bytes: performance.getEntriesByType('resource').reduce((sum, r) => sum + r.encodedBodySize, 0), files: performance.getEntriesByType('resource').length};
	});
	note('agent: loaded in ' + ms(load.dom) + ', first paint after ' + ms(load.paint) + ', ' + load.files + ' requests, ' + Math.round(load.bytes / 1024) + ' KiB');
	const typed = [];
	for (const words of ['n', 'ng', 'ngi', 'ngin', 'nginx', '', 'p', 'py', 'python', ''])
		typed.push(await timed(page, (value) => {
			const input = document.getElementById('filter');
			input.value = value;
			input.dispatchEvent(new Event('input', {bubbles: true}));
		}, words));
	say('a key in the filter', typed);
	await page.waitForTimeout(500);
	const sorted = [];
	for (let i = 0; i < 6; i++)
		sorted.push(await timed(page, (n) => document.querySelectorAll('.targets .sorter')[n].click(), 2 + i));
	say('a change of order', sorted);
	say('a redraw in which nothing changed', await timed(page, () => window.m.redraw()));
	await until(page, () => document.querySelectorAll('table.targets tbody tr').length > 200);
});

agentTest('figures: a week of a target', '/targets/1', async (page) => {
	await chartDrawn(page);
	const moved = [];
	for (const [label, words] of [['7 days', 'one point for 16 min'], ['1 day', 'one point for 2 min'], ['7 days', 'one point for 16 min'], ['15 min', 'one point for 1']]) {
		const start = Date.now();
		await page.getByRole('button', {name: label}).click();
		await until(page, (w) => document.querySelector('.summary').textContent.includes(w), words);
		moved.push(Date.now() - start);
	}
	say('another range, asked for and drawn (with the test’s own way)', moved);
	await page.getByRole('button', {name: '7 days'}).click();
	await until(page, () => document.querySelector('.summary').textContent.includes('one point for 16 min'));
	const cursor = [], lines = [];
	await page.locator('.timeline').focus();
	for (let i = 0; i < 10; i++)
		cursor.push(await timed(page, () => document.querySelector('.timeline').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}))));
	for (let i = 0; i < 6; i++)
		lines.push(await timed(page, (n) => document.querySelectorAll('.key')[n].click(), i % 5));
	say('the cursor by a key', cursor);
	say('a line on or off', lines);
	const tabs = [];
	for (const tab of ['Components', 'Profiles', 'Events', 'Leaks'])
		tabs.push(await timed(page, (name) => [...document.querySelectorAll('.tabs a')].find((a) => a.textContent.startsWith(name)).click(), tab));
	say('another tab', tabs);
});

agentTest('figures: 50,000 boxes', '/targets/4/flame', async (page) => {
	const start = Date.now();
	await page.locator('.flame-canvas').waitFor();
	note('agent: flamegraph of ' + await page.evaluate(() => HF.page.panel.tree.count) + ' boxes there after ' + ms(Date.now() - start) + ', drawn in ' + (await page.evaluate(() => HF.page.panel.flame.lastDrawMs)).toFixed(1) + ' ms');
	const zoomed = [];
	for (const n of [5, 50, 0, 500, 0])
		zoomed.push(await timed(page, (node) => node ? HF.page.panel.flame.zoom(node) : HF.page.panel.flame.reset(), n));
	say('a zoom', zoomed);
	await page.evaluate(() => HF.page.panel.flame.zoom(20));
	await routeHas(page, 'focus=');
	say('a redraw of the page around it', await timed(page, () => window.m.redraw()));
	const found = [];
	for (const words of ['a', 'al', 'alloc'])
		found.push(await timed(page, (value) => {
			const input = document.getElementById('flame-search');
			input.value = value;
			input.dispatchEvent(new Event('input', {bubbles: true}));
		}, words));
	say('a key in its search', found);
});
