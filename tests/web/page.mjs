// SPDX-License-Identifier: GPL-2.0-or-later
// The page in a real browser. Figures are compared with sums taken from the JSON here, not with what the page computed.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {assemble} from './assemble.mjs';
import {ATTACK, diffPage, hostile, large, NODES, python, quiet, sampled, small} from './generate.mjs';
import {clickBox, details, matchPixels, mib, open, pageTest, program, run, selected, store, sum, until, zoomed} from './harness.mjs';
import {note, test} from './tap.mjs';

pageTest('the verdict, its rate, interval and the way to the limit are on the first screen', small, async (page) => {
	const verdict = page.locator('#verdict');
	const box = await verdict.boundingBox();
	assert.ok(box.y + box.height < 900);
	const words = await verdict.innerText();
	for (const word of ['LEAKING', '+4.21 MiB/min', '±0.30', '0.99', 'RSS trend', '98 %', '1.00 GiB; reached in ~2 h 21 min', '+4.30 MiB/min'])
		assert.ok(words.includes(word), word + ' in ' + words);
	assert.match(await page.title(), /nginx 4312 · leaking/);
	assert.equal(await page.locator('#banner').isVisible(), false);
});

pageTest('findings stand in the order of the report, with evidence and stack', small, async (page, report) => {
	assert.deepEqual(await page.locator('.finding .badge').allInnerTexts().then((all) => all.map((s) => s.slice(2))), report.findings.map((f) => f.state));
	const first = page.locator('.finding').first();
	await first.locator('summary').click();
	const words = await first.innerText();
	for (const word of ['ngx_http_foo_handler', 'src/foo.c:212', '61,240 blocks', '68 B each', 'missing free', 'in 3 scans of 3'])
		assert.ok(words.includes(word), word);
	assert.equal(await first.locator('.stack li').count(), report.findings[0].stack.length);
	assert.match(await first.locator('.stack .own').innerText(), /ngx_http_foo_handler/);
});

pageTest('every estimated number says so', sampled, async (page, report) => {
	const words = await page.locator('.finding .finding-what').allInnerTexts();
	assert.deepEqual(words.map((w) => /about [\d.]+ [KM]iB in /.test(w)), report.findings.map((f) => f.estimated === true));
	assert.match(await page.locator('#verdict').innerText(), /about [\d.]+ MiB/);
	assert.match(await page.locator('#memory-body').innerText(), /Held since attach \(estimated\)/);
	const cells = await page.locator('#sites-body tbody td').allInnerTexts();
	assert.equal(cells.filter((c) => /^~[\d,.]+( [KM]iB| B)?$/.test(c)).length, 7 * report.sites.filter((s) => s.estimated).length);
	assert.match(await page.locator('#flame-body').innerText(), /Estimated from samples/);
});

pageTest('of Python the types that grow come first, with their holder; garbage and pauses are told', python, async (page, report) => {
	const words = await page.locator('#python-body').innerText();
	for (const word of ['3.11.2', '412,007, 41.0 MiB', '36.0 MiB used, 4.00 MiB free in 40 arenas', 'off, thresholds 700 · 10 · 10; collections 1,500 · 120 · 9',
		'720 collections in 1 min, 0.80 % of the time, 12.5 ms at most', '4,000 objects, 250 KiB: gc is off: nothing frees them', '100 objects, 6.25 KiB', '3 objects in gc.garbage'])
		assert.ok(words.includes(word), word + ' in ' + words);
	const rows = await page.locator('#python-body tbody').first().locator('tr').allInnerTexts();
	assert.equal(rows.length, report.python[0].types.length);
	for (const word of ['app.Session', '5,000', '+240 KiB/min', '+1,200', '__main__.REG.by_id[*] 97 %'])
		assert.ok(rows[0].includes(word), word + ' in ' + rows[0]);
	assert.match(await page.locator('#python-body .readout').innerText(), /Time in collections 0\.8 %/);
	await page.locator('#python-body summary').click();
	await page.locator('#python-body details tbody tr').first().waitFor();
	assert.equal(await page.locator('#python-body details tbody tr').count(), report.memory.series.length - 1);
});

pageTest('without Python there is no section of it', small, async (page) => {
	assert.equal(await page.locator('#python').isVisible(), false);
	assert.equal(await page.locator('#python-link').isVisible(), false);
});

pageTest('a finding leads to its stack in the flamegraph', small, async (page) => {
	await page.locator('.finding .focus').nth(1).click();
	assert.equal(await zoomed(page), 'py on_request');
	await page.waitForFunction(() => document.querySelector('.details h3').textContent === 'on_request');
	assert.match(await details(page), /\/srv\/app\/hooks\.py:41/);
});

pageTest('the metric buttons show the sums of the report', small, async (page, report) => {
	const total = (metric) => page.locator(`[data-metric=${metric}]`).click().then(() => page.locator('.flame-canvas').getAttribute('aria-label'));
	assert.ok((await total('outstanding_bytes')).endsWith('total ' + mib(sum(report.sites, 'outstanding_bytes'))));
	assert.ok((await total('outstanding_count')).endsWith('total ' + sum(report.sites, 'outstanding_count').toLocaleString('en-US') + ' blocks'));
	assert.ok((await total('temporary_count')).endsWith('total ' + sum(report.sites, 'temporary_count').toLocaleString('en-US') + ' blocks'));
	assert.ok((await total('faults')).endsWith('total 741 faults'));
	assert.ok((await total('growth')).endsWith('total +' + mib(sum(report.findings, 'growth_bytes_per_second') * 60) + '/min'));
});

pageTest('search highlights and tells the share, recursion counted once', small, async (page, report) => {
	assert.equal(await matchPixels(page), 0);
	await page.keyboard.press('/');
	await page.keyboard.type('JSON_parse');
	const hit = report.sites.filter((s) => s.stack.some((i) => report.frames[i].function.startsWith('json_parse')));
	const share = (100 * sum(hit, 'outstanding_bytes') / sum(report.sites, 'outstanding_bytes')).toPrecision(3) + ' %';
	assert.ok((await page.locator('.share').first().innerText()).startsWith(share), share);
	await until(async () => await matchPixels(page) > 500);
	await page.keyboard.press('Enter');
	assert.equal(await selected(page), 'json_parse_value');
	await page.locator('#flame-search').fill('json.*(');
	assert.equal(await page.locator('.share').first().innerText(), 'no match');
	await page.locator('#flame-search').fill('');
	await until(async () => await matchPixels(page) === 0);
});

pageTest('a click zooms, Back and the breadcrumb return', small, async (page) => {
	await clickBox(page, 'ngx_http_foo_handler');
	assert.equal(await zoomed(page), 'ngx_http_foo_handler');
	assert.match(await page.locator('.crumbs').innerText(), /ngx_http_foo_handler/);
	await clickBox(page, 'main');
	assert.equal(await zoomed(page), 'main');
	await page.locator('.back').click();
	assert.equal(await zoomed(page), 'ngx_http_foo_handler');
	await page.locator('.crumb', {hasText: /^all$/}).click();
	assert.match(await zoomed(page), /^all/);
});

pageTest('details give place, module, build id, kind, self and total', small, async (page, report) => {
	await clickBox(page, 'ngx_http_foo_handler');
	await page.waitForFunction(() => document.querySelector('.details h3').textContent === 'ngx_http_foo_handler');
	const words = await details(page);
	const through = report.sites.filter((s) => s.pid === 4312 && s.stack.some((i) => report.frames[i].function === 'ngx_http_foo_handler'));
	for (const word of [mib(sum(through, 'outstanding_bytes')), 'src/foo.c:212', 'src/foo.c:240', '/usr/sbin/nginx', report.target.build_id, 'native'])
		assert.ok(words.includes(word), word + ' in ' + words);
});

pageTest('arrows, Enter, Backspace, Escape and slash work, and are announced', small, async (page) => {
	await page.locator('.flame-canvas').focus();
	for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown'])
		await page.keyboard.press(key);
	assert.equal(await selected(page), 'main');
	await page.waitForFunction(() => /^main, .*depth 4/.test(document.getElementById('live').textContent));
	await page.keyboard.press('ArrowRight');
	assert.ok(await page.evaluate(() => HF.page.panel.tree.path(HF.page.panel.flame.selected).length) === 4);
	await page.keyboard.press('ArrowLeft');
	await page.keyboard.press('Enter');
	assert.equal(await zoomed(page), 'main');
	await page.keyboard.press('Backspace');
	assert.match(await zoomed(page), /^all/);
	await page.keyboard.press('Enter');
	await page.keyboard.press('Escape');
	assert.match(await zoomed(page), /^all/);
	await page.keyboard.press('/');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'flame-search');
});

pageTest('one process of several can be looked at alone', small, async (page, report) => {
	const own = report.sites.filter((s) => s.pid === 4319);
	await page.locator('.toolbar select[aria-label=Process]').selectOption('4319');
	assert.ok((await page.locator('.flame-canvas').getAttribute('aria-label')).endsWith((sum(own, 'outstanding_bytes') / 1048576).toPrecision(3) + ' MiB'));
	assert.equal(await page.evaluate(() => HF.page.panel.tree.rows.every((r) => r.pid === 4319)), true);
});

pageTest('frames of Python or native ones can be looked at alone', small, async (page) => {
	const kinds = () => page.evaluate(() => {
		const {tree, model} = HF.page.panel;
		return [...new Set(tree.frame.filter((f) => f >= 0).map((f) => model.table.frames[f].kind))];
	});
	const total = await page.evaluate(() => HF.page.panel.tree.total[0]);
	const choose = (value) => page.locator('.toolbar select[aria-label=Frames]').selectOption(value);
	assert.ok((await kinds()).includes('python') && (await kinds()).includes('native'));
	await choose('python');
	assert.deepEqual((await kinds()).filter((k) => k !== 'synthetic'), ['python']);
	assert.equal(await page.evaluate(() => HF.page.panel.tree.total[0]), total);
	await choose('native');
	assert.ok(!(await kinds()).includes('python') && (await kinds()).includes('native'));
	await choose('all');
	assert.ok((await kinds()).includes('python'));
});

pageTest('folding makes direct recursion one box and keeps the total', small, async (page) => {
	const state = () => page.evaluate(() => ({count: HF.page.panel.tree.count, total: HF.page.panel.tree.total[0]}));
	const before = await state();
	await page.getByText('Fold recursion').click();
	const after = await state();
	assert.equal(after.total, before.total);
	assert.ok(after.count < before.count);
});

pageTest('flames up puts the root at the bottom', small, async (page) => {
	await page.getByText('Flames up').click();
	const y = await page.evaluate(() => [HF.page.panel.flame.box(0).y, HF.page.panel.flame.height]);
	assert.equal(y[0] + 20, y[1]);
	await page.locator('.flame-canvas').focus();
	await page.keyboard.press('ArrowUp');
	assert.match(await selected(page), /^process/);
});

pageTest('the table sorts by each metric, filters, and shows patterns', small, async (page, report) => {
	const first = () => page.locator('.sites tbody tr').first();
	for (const [label, field, column] of [['Allocated', 'alloc_bytes', 5], ['Temporary', 'temporary_count', 8], ['Blocks', 'outstanding_count', 3], ['Peak', 'peak_bytes', 4], ['Frees', 'frees', 7]]) {
		await page.locator('.sorter', {hasText: label}).click();
		const most = Math.max(...report.sites.map((s) => s[field]));
		const shown = await first().locator('td').nth(column).innerText();
		assert.equal(shown.replace(/,/g, ''), await page.evaluate(([f, n]) => (f.endsWith('bytes') ? HF.bytes(n) : String(n)), [field, most]));
	}
	assert.equal(await page.locator('[aria-sort=descending]').count(), 1);
	await page.getByLabel('Filter sites').fill('hooks.py');
	assert.equal(await page.locator('.sites tbody tr').count(), 2);
	await first().locator('.open').click();
	assert.equal(await page.locator('.bar-picture').count(), 2);
	assert.match(await page.locator('.expanded').innerText(), /half are under/);
	await page.locator('.expanded').getByText('In flamegraph').click();
	assert.match(await zoomed(page), /on_request/);
});

pageTest('the chart answers to mouse and keys, and has its figures as a table', small, async (page, report) => {
	const chart = page.locator('.chart');
	await chart.focus();
	await page.keyboard.press('Home');
	assert.match(await page.locator('.readout').innerText(), /At 0/);
	await page.keyboard.press('ArrowRight');
	assert.match(await chart.getAttribute('aria-valuetext'), /^At 1 s \(03:12:10 UTC\): RSS 412 MiB/);
	await chart.hover({position: {x: 600, y: 100}});
	assert.match(await page.locator('.readout').innerText(), /^At 2\d s/);
	await page.locator('#memory summary').click();
	await page.locator('#memory tbody tr').first().waitFor(); // the table fills on an event that comes later
	assert.equal(await page.locator('#memory tbody tr').count(), report.memory.series.length);
	const before = await page.locator('.curve').count();
	await page.locator('.key', {hasText: 'PSS'}).click();
	assert.equal(await page.locator('.curve').count(), before + 1);
});

pageTest('lost events and missing symbols are said on top', quiet, async (page) => {
	const banner = await page.locator('#banner').innerText();
	assert.match(banner, /51,234 of 1,023,348 events were lost/);
	assert.match(banner, /61\.3 %/);
	assert.match(await page.locator('#verdict').innerText(), /STEADY[^]*±52\.7 KiB\/min[^]*in about 4 min/);
	assert.match(await page.locator('#quality').innerText(), /windows of 10 ms/);
	assert.match(await page.locator('#quality').innerText(), /ring full: 51,000/);
	assert.match(await page.locator('#findings').innerText(), /nothing is lost/);
});

for (const [kind, data] of [['report', small], ['diff', diffPage]]) {
	pageTest(kind + ': dark and light follow the system until the button is pressed', data, async (page) => {
		const theme = () => page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]);
		const light = await theme();
		await page.emulateMedia({colorScheme: 'dark'});
		await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
		const dark = await theme();
		assert.equal(light[0], 'light');
		assert.notEqual(light[1], dark[1]);
		await page.locator('#theme').click();
		assert.deepEqual(await theme(), light);
	}, kind);

	pageTest(kind + ': at 400 pixels nothing runs out of the window', data, async (page) => {
		await page.setViewportSize({width: 400, height: 800});
		await until(async () => await page.evaluate(() => document.documentElement.scrollWidth) === 400);
		assert.ok((await page.locator('#verdict').boundingBox()).y < 400);
	}, kind);

	pageTest(kind + ': every control has a name, and headings do not skip a level', data, async (page) => {
		const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, canvas[tabindex], [role=slider]')]
			.filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length)).map((e) => e.outerHTML));
		assert.deepEqual(nameless, []);
		const levels = await page.evaluate(() => [...document.querySelectorAll('h1, h2, h3, h4')].filter((h) => h.checkVisibility()).map((h) => Number(h.tagName[1])));
		assert.equal(levels[0], 1);
		assert.ok(levels.every((level, i) => i === 0 || level <= levels[i - 1] + 1), levels.join(' '));
	}, kind);
}

pageTest('names that attack stay text', hostile, async (page) => {
	for (const summary of await page.locator('.finding summary').all())
		await summary.click();
	await page.locator('.sites .open').first().click();
	await page.locator('#flame-search').fill('<img');
	await page.locator('.flame-canvas').hover({position: {x: 100, y: 70}});
	await page.waitForTimeout(200);
	assert.equal(await page.evaluate(() => window.pwned), undefined);
	assert.equal(await page.locator('img').count(), 0);
	assert.equal(await page.evaluate(() => document.scripts.length), 2);
	const words = await page.evaluate(() => document.body.textContent);
	assert.ok(words.includes(ATTACK.slice(0, 20)));
	assert.ok(words.includes('\\u202egnp.exe\\u0007') && !/[\u202e\u0007]/.test(words));
});

/*
 * Seen at 50,579 nodes, 3,470 boxes drawn, 1,400 pixels, software rendering, two cores: median 8 to 12 ms a frame with rasterising while the
 * machine was fairly free, 49 ms at a load of 13. The promise is 50 ms; no time is asserted, because a loaded machine would make it a lie.
 * What is asserted: far fewer boxes are drawn than there are.
 */
pageTest('50,000 nodes are drawn, most of them culled', () => large(NODES), async (page) => {
	const seen = await page.evaluate(() => {
		const {flame, tree} = HF.page.panel;
		const times = [];
		flame.context.getImageData(0, 0, 1, 1);
		for (let i = 0; i < 30; i++) {
			const start = performance.now();
			flame.draw();
			flame.context.getImageData(0, 0, 1, 1);
			times.push(performance.now() - start);
		}
		times.sort((a, b) => a - b);
		const start = performance.now();
		HF.page.panel.rebuild();
		return {nodes: tree.count, boxes: flame.boxes, median: times[15], worst: times[29], rebuild: performance.now() - start};
	});
	note(`${seen.nodes} nodes, ${seen.boxes} boxes drawn, median ${seen.median.toFixed(1)} ms, worst ${seen.worst.toFixed(1)} ms a frame with rasterising; new tree ${seen.rebuild.toFixed(0)} ms`);
	assert.ok(seen.nodes >= 50000 && seen.boxes > 1000 && seen.boxes < seen.nodes / 2, JSON.stringify(seen));
});

function failing(name, build, pattern, prepare) {
	test(name, async () => {
		const page = await open(build());
		try {
			if (prepare) {
				await prepare(page);
				await page.reload();
				await page.waitForFunction(() => document.documentElement.dataset.ready === 'true');
			}
			assert.match(await page.locator('#status').innerText(), pattern);
			assert.equal(await page.locator('#page').isVisible(), false);
		} finally {
			await page.close();
		}
	});
}

failing('a damaged report is named as such', () => assemble('{}').replace(/(id="hf-data">)[^<]{20}/, '$1AAAAAAAAAAAAAAAAAAAA'), /cannot be shown/);
failing('broken JSON is named as such', () => assemble('{"schema"'), /damaged/);
failing('a foreign schema is named', () => assemble('{"schema":"holdfast.report/9"}'), /holdfast\.report\/9/);
failing('a browser without DecompressionStream is told what to do', () => assemble(JSON.stringify(small())), /lacks DecompressionStream/, (page) => page.addInitScript(() => {
	delete window.DecompressionStream;
}));

test('the page may not talk to anybody', async () => {
	const page = await open(assemble(JSON.stringify(small())));
	const outcome = await page.evaluate(() => fetch('http://127.0.0.1:9/').then(() => 'sent', (e) => e.name));
	assert.equal(outcome, 'TypeError');
	assert.ok(page.complaints.some((c) => /Content Security Policy/.test(c)), page.complaints.join(' '));
	await page.close();
});

test('the own frame is what the report says, else the first that is no library or allocator wrapper', async () => {
	const report = small();
	const names = report.frames.map((f) => f.function);
	report.findings = [];
	report.sites = [['alloc', 'cache_insert'], ['operator new(unsigned long)', 'cache_insert', 'main'], ['_PyEval_EvalFrameDefault', 'loads', 'on_request'], ['_PyEval_EvalFrameDefault']].map((stack, i) => ({
		...report.sites[0], outstanding_bytes: 1000 - i, stack: stack.map((n) => names.includes(n) ? names.indexOf(n) : report.frames.push({...report.frames[2], function: n}) - 1), ...(i === 0 ? {own_frame: 1} : {}),
	}));
	const page = await open(assemble(JSON.stringify(report)));
	assert.deepEqual(await page.locator('.sites .open .fn').allInnerTexts(), ['cache_insert', 'cache_insert', 'on_request', '_PyEval_EvalFrameDefault']);
	await page.close();
});

/* What the program itself writes must be this page too. */
if (existsSync(program))
	test('the page that holdfast report --html writes shows the same', async () => {
		const report = small();
		const page = await open(run('report', store('report.json', report), '--html', '-'));
		assert.match(await page.locator('#verdict').innerText(), /LEAKING[^]*\+4\.21 MiB\/min ±0\.30/);
		assert.equal(await page.locator('.finding').count(), report.findings.length);
		assert.ok((await page.locator('.flame-canvas').getAttribute('aria-label')).endsWith(mib(sum(report.sites, 'outstanding_bytes'))));
		assert.deepEqual(page.complaints, []);
		await page.close();
	});
else
	note('holdfast is not built: the pages here are assembled by assemble.mjs');
