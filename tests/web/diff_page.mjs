// SPDX-License-Identifier: GPL-2.0-or-later
// The page of a diff in a real browser. Figures are compared with sums taken from the JSON here, not with what the page computed.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {assemble} from './assemble.mjs';
import {ATTACK, diffPage, hostileDiff, pair} from './generate.mjs';
import {clickBox, details, matchPixels, mib, open, pageTest, program, run, selected, store, until, zoomed} from './harness.mjs';
import {note, test} from './tap.mjs';

const diffTest = (name, data, body) => pageTest('diff: ' + name, data, body, 'diff');
const bytesOf = (side) => side ? side.outstanding_bytes : 0;
const A = (e) => bytesOf(e.a), B = (e) => bytesOf(e.b);
const add = (numbers) => numbers.reduce((x, y) => x + y, 0);
/* A rate as the page words it; captures of these tests last a minute. */
const words = (page, bytes) => page.evaluate((n) => HF.bytes(n) + '/min', bytes);
const ariaLabel = (page) => page.locator('.flame-canvas').getAttribute('aria-label');

/* Of the boxes of a function: label, colour, width in pixels. */
const boxesOf = (page, name) => page.evaluate((wanted) => {
	const {flame, tree, model} = HF.page.panel, found = [];
	for (let n = 1; n < tree.count; n++)
		if (model.table.functions[tree.key[n]].label === wanted)
			found.push({label: flame.label(n), colour: flame.paint(n), width: flame.box(n).width, total: tree.total[n]});
	return found;
}, name);

const hue = (colour) => Number(/^hsl\((\d+) /.exec(colour)[1]);
const saturation = (colour) => Number(/ (\d+)% /.exec(colour)[1]);

diffTest('both sides, the change, the rises and the kinds stand on top', diffPage, async (page, diff) => {
	const sides = await page.locator('.side').allInnerTexts();
	for (const word of ['nginx', 'pid 4312', '9c41f0aa5be2', '2026-03-01 03:12:09 UTC', 'watched 1 min', 'leaking'])
		assert.ok(sides[0].includes(word), word + ' in ' + sides[0]);
	assert.match(sides[1], /pid 5001[^]*growing/);
	const top = await page.locator('#verdict').innerText();
	const change = add(diff.entries.map((e) => B(e) - A(e)));
	assert.ok(top.includes('GREW') && top.includes('+' + mib(change) + '/min') && top.includes('+' + await words(page, diff.rise_bytes_per_second * 60)), top);
	assert.deepEqual((await page.locator('.kinds .badge').allInnerTexts()), ['= 2 same', '+ 2 new', '+ 2 grew', '− 1 shrank', '− 1 gone']);
	assert.match(await page.title(), /^nginx · \+.*MiB\/min/);
	assert.equal(await page.locator('#banner').isVisible(), false);
});

diffTest('types that changed stand with both sides; what is the same is left out', diffPage, async (page) => {
	const rows = await page.locator('#types-body tbody tr').allInnerTexts();
	assert.equal(rows.length, 2);
	for (const word of ['app.Session', 'python', 'grew', '+2.00 MiB', '1.00 MiB', '3.00 MiB', '+2,000'])
		assert.ok(rows[0].includes(word), word + ' in ' + rows[0]);
	assert.match(rows[1], /zeros of 4.00 KiB[^]*gone[^]*−32.0 KiB[^]*−8/);
});

diffTest('a box is as wide as the larger rates of its sites, so what is gone is there', diffPage, async (page, diff) => {
	const totals = await page.evaluate(() => [HF.page.panel.tree.total[0], HF.page.panel.flame.width]);
	assert.ok(Math.abs(totals[0] - add(diff.entries.map((e) => Math.max(A(e), B(e)))) / 60) < 1e-6);
	const [gone] = await boxesOf(page, 'BN_new');
	assert.ok(Math.abs(gone.total - 10000) < 1e-6 && gone.width > 20 && gone.width < totals[1], JSON.stringify(gone));
	assert.ok((await ariaLabel(page)).includes('By size, total +' + mib(add(diff.entries.map((e) => B(e) - A(e)))) + '/min'));
});

diffTest('red grew, blue shrank, grey is the same; the sign tells it without colour', diffPage, async (page) => {
	const seen = async () => Object.fromEntries(await Promise.all(['ngx_alloc', 'BN_new', 'ngx_palloc_large', 'json_node_new', 'main'].map(async (name) => [name, (await boxesOf(page, name))[0]])));
	for (const scheme of ['light', 'dark']) {
		await page.emulateMedia({colorScheme: scheme});
		await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, scheme);
		const box = await seen();
		assert.ok(hue(box.ngx_palloc_large.colour) < 20 && hue(box.main.colour) < 20, 'red');
		assert.ok(Math.abs(hue(box.BN_new.colour) - 214) < 20 && Math.abs(hue(box.ngx_alloc.colour) - 214) < 20, 'blue');
		assert.ok(box.json_node_new.colour.startsWith('#'), 'grey');
		assert.ok(saturation(box.BN_new.colour) > saturation(box.ngx_alloc.colour) && saturation(box.ngx_palloc_large.colour) > saturation(box.main.colour), 'the more change, the more colour');
		assert.deepEqual(Object.values(box).map((b) => b.label[0]), ['−', '−', '+', '=', '+']);
	}
	assert.deepEqual((await page.locator('.legend li').allInnerTexts()), ['− gone', '− half', '= the same', '+ double', '+ new']);
});

diffTest('details and tooltip tell A, B, change and percent', diffPage, async (page) => {
	await clickBox(page, 'cache_insert');
	await page.waitForFunction(() => document.querySelector('.details h3').textContent === 'cache_insert');
	const shown = await details(page);
	for (const word of ['2.00 MiB/min', '819 KiB/min', '−1.20 MiB/min (−60 %)', 'src/cache.c:88', '/usr/sbin/nginx'])
		assert.ok(shown.includes(word), word + ' in ' + shown);
	await page.locator('.flame-canvas').hover({position: {x: 30, y: 8}});
	assert.match(await page.locator('.tip').innerText(), /A .*MiB\/min → B .*MiB\/min\n\+.*MiB\/min \(\+\d+ %\)/);
	await page.waitForFunction(() => /^cache_insert, A 2\.00 MiB\/min, B 819 KiB\/min, −1\.20/.test(document.getElementById('live').textContent));
});

diffTest('by change only what changed has a width', diffPage, async (page, diff) => {
	await page.getByText('By change').click();
	const total = await page.evaluate(() => HF.page.panel.tree.total[0]);
	assert.ok(Math.abs(total - add(diff.entries.map((e) => Math.abs(B(e) - A(e)))) / 60) < 1e-6);
	assert.equal((await boxesOf(page, 'trace:7'))[0].total, 0);
	assert.match(await page.locator('.flame-main .note').innerText(), /up or down/);
	await page.getByText('By size').click();
	assert.ok((await boxesOf(page, 'trace:7'))[0].total > 0);
});

diffTest('search, zoom and keys work as on a report', diffPage, async (page, diff) => {
	await page.keyboard.press('/');
	await page.keyboard.type('json_parse');
	const hit = diff.entries.filter((e) => e.stack.some((i) => diff.frames[i].function.startsWith('json_parse')));
	const share = 100 * add(hit.map((e) => Math.max(A(e), B(e)))) / add(diff.entries.map((e) => Math.max(A(e), B(e))));
	assert.ok((await page.locator('.share').first().innerText()).startsWith(share.toPrecision(2)), String(share));
	await until(async () => await matchPixels(page) > 100);
	await page.keyboard.press('Enter');
	assert.match(await selected(page), /json_parse_value/);
	await page.keyboard.press('Enter');
	assert.match(await zoomed(page), /json_parse_value/);
	await page.keyboard.press('Escape');
	assert.match(await zoomed(page), /^\+ all/);
});

diffTest('the table sorts by each column, filters, and opens a site', diffPage, async (page, diff) => {
	const first = (column) => page.locator('.sites tbody tr').first().locator('td').nth(column).innerText();
	for (const [label, field, column] of [['B held', B, 5], ['A held', A, 4]]) {
		await page.locator('.sorter', {hasText: label}).click();
		assert.equal(await first(column), await page.evaluate((n) => HF.bytes(n), Math.max(...diff.entries.map(field))));
	}
	await page.locator('.sorter', {hasText: 'Change'}).click();
	assert.equal(await first(1), '+2.00 MiB/min');
	await page.locator('.sorter', {hasText: 'Change'}).click();
	assert.equal(await first(1), '−1.20 MiB/min');
	await page.locator('.sorter', {hasText: 'Kind'}).click();
	assert.equal(await first(0), '− gone');
	await page.getByLabel('Filter sites').fill('shrank');
	assert.equal(await page.locator('.sites tbody tr').count(), 1);
	await page.locator('.sites .open').click();
	const shown = await page.locator('.expanded').innerText();
	for (const word of ['−1.20 MiB/min (−60 %)', 'cache_insert', '2.00 MiB/min', '819 KiB/min', 'malloc'])
		assert.ok(shown.includes(word), word + ' in ' + shown);
	await page.locator('.expanded').getByText('In flamegraph').click();
	assert.match(await zoomed(page), /^− ngx_alloc/);
	await page.getByText('Its sites').click();
	assert.equal(await page.getByLabel('Filter sites').inputValue(), 'ngx_alloc');
});

diffTest('what did not fit is told in numbers', () => ({...diffPage(), left_out: {sites: 4321, a_bytes_per_second: 2048, b_bytes_per_second: 1024}}), async (page) => {
	assert.match(await page.locator('#banner').innerText(), /8 sites that changed most; the 4,321 others hold 120 KiB\/min in A and 60\.0 KiB\/min in B/);
});

diffTest('without a duration there are sites and no rates', () => {
	const diff = diffPage();
	diff.a.duration_s = diff.b.duration_s = 0;
	return diff;
}, async (page, diff) => {
	assert.match(await page.locator('.flame-main .note').innerText(), /Without durations/);
	assert.match(await page.locator('.side').first().innerText(), /no duration/);
	assert.equal(await page.locator('.sites tbody tr').count(), diff.entries.length);
});

diffTest('a diff of nothing says so', () => ({...diffPage(), entries: [], frames: []}), async (page) => {
	assert.match(await page.locator('.flame-main .note').innerText(), /No sites/);
	assert.match(await page.locator('.sites, #sites').first().innerText(), /0 sites/);
});

diffTest('names that attack stay text, and numbers that are none do no harm', hostileDiff, async (page) => {
	for (const open of await page.locator('.sites .open').all())
		await open.click();
	await page.locator('#flame-search').fill('<img');
	await page.locator('.flame-canvas').hover({position: {x: 100, y: 70}});
	await page.getByText('By change').click();
	await page.waitForTimeout(200);
	assert.equal(await page.evaluate(() => window.pwned), undefined);
	assert.equal(await page.locator('img').count(), 0);
	assert.equal(await page.evaluate(() => document.scripts.length), 2);
	const text = await page.evaluate(() => document.body.innerText);
	assert.ok(text.includes(ATTACK.slice(0, 20)) && text.includes('\\u202egnp.exe\\u0007') && !/[\u202e\u0007]|NaN|Infinity|undefined/.test(text));
	assert.ok(await page.evaluate(() => HF.page.panel.tree.bottom[0]) <= 1024);
	assert.ok(await page.evaluate(() => HF.page.panel.tree.total.every(Number.isFinite)));
});

test('diff: changes are worded, and what is within the tolerance is the same', async () => {
	const page = await open(assemble(JSON.stringify(diffPage()), 'diff'));
	const shares = await page.evaluate(() => [[100, 115], [1000, 1049], [1000, 1060], [0, 100], [100, 0], [0, 0]].map(([a, b]) => HF.changeShare(HF.page.model, a, b).toFixed(3)));
	assert.deepEqual(shares, ['0.000', '0.000', '0.057', '1.000', '-1.000', '0.000']);
	const relatives = await page.evaluate(() => [[0, 5], [5, 0], [0, 0], [100, 283], [100, 40], [100, 95.5], [100, 1200], [100, 100]].map(([a, b]) => HF.relative(a, b)));
	assert.deepEqual(relatives, ['new', 'gone', '–', '+183 %', '−60 %', '−4.5 %', '×12', '±0.0 %']);
	await page.close();
});

test('diff: a foreign schema is named', async () => {
	const page = await open(assemble('{"schema":"holdfast.diff_page/9"}', 'diff'));
	assert.match(await page.locator('#status').innerText(), /holdfast\.diff_page\/9/);
	assert.equal(await page.locator('#page').isVisible(), false);
	await page.close();
});

/* What the program itself writes must be this page too. */
if (existsSync(program))
	test('the page that holdfast diff --html writes agrees with its JSON; functions of both builds are one box, lines are B’s', async () => {
		const files = pair().map((report, i) => store(i + '.json', report));
		const json = JSON.parse(run('diff', ...files, '--json', '-'));
		const page = await open(run('diff', ...files, '--html', '-'));
		const shown = await page.evaluate(() => {
			const {model, panel} = HF.page;
			const main = model.table.functions.filter((f) => f.label === 'CRYPTO_zalloc');
			return {total: model.total, kinds: model.entries.map((e) => e.kind + ' ' + Math.round(e.change)).sort(), a: panel.view.a[0], b: panel.view.b[0], main: main.length};
		});
		const rate = (side) => add(json.entries.map((e) => e[side].bytes_per_second));
		assert.equal(shown.total, json.total_change_bytes_per_second);
		assert.deepEqual(shown.kinds, json.entries.map((e) => e.kind + ' ' + Math.round(e.change_bytes_per_second)).sort());
		assert.ok(Math.abs(shown.a - rate('a')) < 1e-6 * shown.a && Math.abs(shown.b - rate('b')) < 1e-6 * shown.b);
		assert.equal(shown.main, 1);
		await clickBox(page, 'ngx_http_foo_handler');
		await page.waitForFunction(() => document.querySelector('.details h3').textContent === 'ngx_http_foo_handler');
		const text = await details(page);
		assert.ok(text.includes('src/foo.c:215') && !text.includes('src/foo.c:212'), text);
		assert.deepEqual(page.complaints, []);
		await page.close();
	});
else
	note('holdfast is not built: the pages of diffs here are assembled by assemble.mjs');
