// SPDX-License-Identifier: GPL-2.0-or-later
// The screens of the agent's page: what they show is held against the answers of the API, read by the tests themselves.
import assert from 'node:assert/strict';
import {agentTest, ask, chartDrawn, picture, route, routeHas, targetRows, until} from './agent_harness.mjs';
import {hex} from './fake_fleet.mjs';

const RANKS = {critical: 0, warning: 1, growing: 2, ok: 3, ended: 4};
const BEGAN = Date.now() / 1000, AT_ONCE = () => BEGAN; // for what must not change while it is compared
const mib = (n) => (n / 1048576).toFixed(n >= 104857600 ? 0 : n >= 10485760 ? 1 : 2) + ' MiB';

agentTest('overview: all running targets, worst first, with exact figures in the titles', '/targets', async (page, agent) => {
	await targetRows(page).first().waitFor();
	const {targets} = await ask(agent, 'targets?limit=1000');
	await until(page, (n) => document.querySelectorAll('table.targets tbody tr').length === n, targets.length);
	const names = await page.locator('table.targets tbody th a').allInnerTexts(), byId = (a, b) => RANKS[a.state] - RANKS[b.state] || b.growth_rate_mb_per_min - a.growth_rate_mb_per_min;
	assert.equal(names[0], 'nginx');
	const states = (await page.locator('table.targets tbody td:nth-child(2)').allInnerTexts()).map((w) => w.slice(2));
	assert.deepEqual(states, targets.slice().sort(byId).map((t) => t.state));
	const row = await targetRows(page).first().innerText();
	for (const word of ['critical', '1200', '+4.2', 'MiB/min', 'yes'])
		assert.ok(row.includes(word), word + ' in ' + row);
	assert.match(await targetRows(page).first().locator('td').nth(3).locator('span').getAttribute('title'), /^[\d,]+ bytes$/);
	assert.match(await targetRows(page).first().locator('td').nth(5).locator('span').getAttribute('title'), /^4\.2\d+ MiB\/min, between .* bytes\/s\)$/);
	assert.match(await targetRows(page).first().locator('td').nth(6).innerText(), /^~\d+ min$|^~1 h/);
	assert.match(await page.locator('.agent-badge').innerText(), /standard\s*tracing 12 of 215\s*0\.61 % of 1 %/);
	await picture(page, 'overview');
	await page.emulateMedia({colorScheme: 'dark'});
	await picture(page, 'overview-dark');
});

agentTest('overview: the strip tells what fires, critical first', '/targets', async (page, agent) => {
	const {alerts} = await ask(agent, 'alerts');
	await page.locator('.strip').waitFor();
	assert.ok((await page.locator('.strip h2').innerText()).startsWith(alerts.length + ' alerts'));
	assert.match(await page.locator('.strip li').first().innerText(), /critical nginx RSS is above the critical threshold/);
	assert.match(await page.title(), new RegExp('^\\(' + alerts.length + '\\) Targets · holdfast'));
}, {options: {clock: AT_ONCE}});

agentTest('overview: filter and order stand in the address and come back from it', '/targets', async (page) => {
	await targetRows(page).first().waitFor();
	await page.keyboard.press('/');
	await page.keyboard.type('redis warning', {delay: 5});
	await until(page, () => document.querySelectorAll('table.targets tbody tr').length < 5);
	await page.locator('#filter').fill('redis');
	await routeHas(page, 'filter=redis');
	await page.getByRole('button', {name: 'RSS'}).click();
	await routeHas(page, 'sort=rss&desc=true');
	const sizes = async () => (await page.locator('table.targets tbody td:nth-child(5) span').evaluateAll((all) => all.map((s) => Number(s.title.replace(/\D/g, '')))));
	const down = await sizes();
	assert.ok(down.length > 5);
	assert.deepEqual(down, down.slice().sort((a, b) => b - a));
	assert.equal(await page.locator('th[aria-sort=descending]').innerText(), 'RSS ↓');
	await page.reload();
	await targetRows(page).first().waitFor();
	assert.equal(await page.locator('#filter').inputValue(), 'redis');
	assert.equal((await sizes()).length, down.length);
	await page.getByRole('button', {name: 'RSS'}).click();
	await page.locator('th[aria-sort=ascending]').waitFor();
	await page.getByRole('button', {name: 'Worst first'}).click();
	await until(page, () => !document.querySelector('[aria-sort]'));
	await page.locator('#filter').fill('no such thing');
	await page.getByText('No target matches').waitFor();
	await page.locator('#filter').fill('');
	await page.locator('select').selectOption('ended');
	await until(page, () => document.querySelectorAll('table.targets tbody tr').length === 5);
});

agentTest('target: head, chart, words and table show what the API says', '/targets/1?range=1d', async (page, agent) => {
	await chartDrawn(page);
	const t = await ask(agent, 'targets/1'), head = await page.locator('header.head').innerText();
	for (const word of ['nginx', 'pid 1200', 'nginx.service', 'www-data', '+4.2', mib(t.thresholds.warning_bytes), mib(t.thresholds.critical_bytes)])
		assert.ok(head.includes(word), word + ' in ' + head);
	const summary = await page.locator('.summary').innerText();
	assert.match(summary, /^RSS went from [\d.]+ MiB to [\d.]+ MiB \(lowest [\d.]+ MiB, highest [\d.]+ MiB\); growth \+4\.\d\d MiB\/min ±0\.\d\d; \d+ events; above warning and critical\. .*, one point for 2 min 24 s\.$/);
	await page.locator('#memory summary').click();
	assert.ok(await page.locator('#memory tbody tr').count() > 90);
	assert.match(await page.locator('#memory tbody td').first().getAttribute('title'), /^[\d,]+ bytes$/);
	assert.deepEqual(await page.locator('#memory thead th').allInnerTexts(), ['Time', 'RSS', 'PSS', 'USS', 'VMS', 'Heap']);
	await picture(page, 'target', true);
});

agentTest('target: one that the kernel killed says what it held, how it grew, and has its leaks and last profile', '/targets/37', async (page, agent) => {
	const t = await ask(agent, 'targets/37'), box = page.getByRole('note', {name: 'How it ended'});
	await box.waitFor();
	assert.equal(await page.locator('header.head .badge').innerText(), '■ killed');
	const words = await box.innerText();
	for (const word of ['Killed by the kernel for memory', mib(t.end.rss_bytes), 'grew by +', '37.0 MiB allocated', 'Its 1 leak'])
		assert.ok(words.includes(word), word + ' in ' + words);
	await page.locator('.finding').first().waitFor();
	assert.equal(await page.locator('.finding').count(), 1);
	assert.deepEqual(agent.requests.filter((r) => r.path.endsWith('/leaks')).at(-1).query.state, 'at_end');
	await page.getByRole('link', {name: 'Its last profile'}).click();
	await routeHas(page, '/targets/37/flame?profile=' + t.profile);
	await picture(page, 'killed', true);
});

agentTest('target: one that ended otherwise says when', '/targets/74', async (page) => {
	await page.getByText('It ended ').waitFor();
	assert.equal(await page.getByRole('note', {name: 'How it ended'}).count(), 0);
	await page.getByText('None was active at its end.').waitFor();
});

agentTest('target: of one that has ended the chart shows the last hour of its life, and more of it before', '/targets/74', async (page, agent) => {
	const end = Date.parse((await ask(agent, 'targets/74')).ended_at) / 1000;
	const asked = () => agent.requests.filter((r) => r.path.endsWith('/targets/74/trends')).at(-1).query;
	await page.locator('#memory p.summary').waitFor();
	assert.ok(Math.abs(asked().to - end) < 1 && Math.abs(asked().from - end + 3600) < 1, JSON.stringify(asked()) + ' of an end at ' + end);
	await page.getByRole('button', {name: '1 day'}).click();
	await routeHas(page, 'range=1d');
	await page.waitForTimeout(500);
	assert.ok(Math.abs(asked().to - end) < 1 && Math.abs(asked().from - end + 86400) < 1, JSON.stringify(asked()));
});

agentTest('target: ranges, lines and zero stand in the address', '/targets/1', async (page, agent) => {
	await chartDrawn(page);
	const asked = () => agent.requests.filter((r) => r.path.endsWith('/trends')).map((r) => Math.round(r.query.to - r.query.from));
	assert.deepEqual(asked(), [3600]);
	await page.getByRole('button', {name: '7 days'}).click();
	await routeHas(page, 'range=7d');
	await until(page, () => /one point for 16 min/.test(document.querySelector('.summary').textContent));
	assert.equal(asked().at(-1), 604800);
	await page.getByRole('button', {name: 'VMS'}).click();
	await routeHas(page, 'lines=rss,uss,vms,heap');
	await until(page, () => /VMS 1\.\d+ GiB/.test(document.querySelector('.readout').textContent));
	await page.getByRole('button', {name: 'From 0'}).click();
	await routeHas(page, 'zero=true');
	await page.reload();
	await chartDrawn(page);
	assert.equal(await page.getByRole('button', {name: 'VMS'}).getAttribute('aria-pressed'), 'true');
	assert.equal(await page.getByRole('button', {name: '7 days'}).getAttribute('aria-pressed'), 'true');
	await page.keyboard.press('1');
	await routeHas(page, 'range=15m');
});

agentTest('target: dragging zooms and asks for finer figures, Shift pans, double click and Live come back', '/targets/1?range=7d', async (page, agent) => {
	await chartDrawn(page);
	const box = await page.locator('.plot').boundingBox(), drag = async (from, to) => {
		await page.mouse.move(box.x + from, box.y + 100);
		await page.mouse.down();
		await page.mouse.move(box.x + (from + to) / 2, box.y + 105, {steps: 4});
		await page.mouse.move(box.x + to, box.y + 105, {steps: 4});
		await page.mouse.up();
	};
	await drag(500, 900);
	await routeHas(page, 'from=');
	const width = async () => {
		const query = new URLSearchParams((await route(page)).split('?')[1]);
		return [Number(query.get('from')), Number(query.get('to'))];
	};
	const [from, to] = await width();
	assert.ok(Math.abs((to - from) / 604800 - 400 / (box.width - 90)) < 0.03, String(to - from));
	await until(page, () => /one point for [3-7] min/.test(document.querySelector('.summary').textContent));
	await page.keyboard.down('Shift');
	await drag(900, 600);
	await page.keyboard.up('Shift');
	await until(page, (before) => Number(new URLSearchParams(location.hash.split('?')[1]).get('from')) > before + 3600, from);
	const panned = await width();
	assert.ok(Math.abs(panned[1] - panned[0] - (to - from)) < 60);
	await page.goBack();
	await until(page, (before) => Number(new URLSearchParams(location.hash.split('?')[1]).get('from')) === before, from);
	await page.mouse.dblclick(box.x + 600, box.y + 100);
	await until(page, () => !location.hash.includes('from='));
	assert.equal(await page.locator('button.live').getAttribute('aria-pressed'), 'true');
	assert.ok(agent.requests.filter((r) => r.path.endsWith('/trends')).length < 20);
});

agentTest('target: the chart by keys, its cursor told to a screen reader', '/targets/1', async (page) => {
	await chartDrawn(page);
	await page.locator('.timeline').focus();
	await page.keyboard.press('Home');
	const at = () => page.locator('.timeline').getAttribute('aria-valuenow').then(Number);
	assert.equal(await at(), 0);
	await page.keyboard.press('Shift+ArrowRight');
	assert.equal(await at(), 10);
	assert.match(await page.locator('.timeline').getAttribute('aria-valuetext'), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, RSS [\d.]+ MiB, USS .*, Heap [\d.]+ MiB$/);
	await page.keyboard.press('+');
	await routeHas(page, 'from=');
	await page.keyboard.press('Escape');
	await until(page, () => !location.hash.includes('from='));
});

agentTest('target: live, the chart follows without a touch', '/targets/1?range=15m', async (page, agent) => {
	await chartDrawn(page);
	const before = await page.locator('.summary').innerText(), asked = agent.requests.filter((r) => r.path.endsWith('/trends')).length;
	await until(page, (words) => document.querySelector('.summary').textContent !== words, before);
	assert.equal(agent.requests.filter((r) => r.path.endsWith('/trends')).length, asked + 1);
});

agentTest('target: marks below the chart lead to events and profiles', '/targets/1?range=7d', async (page, agent) => {
	await chartDrawn(page);
	await page.locator('.mark-button.event').first().waitFor();
	const {profiles} = await ask(agent, 'targets/1/profiles'), labels = await page.locator('.mark-button.profile').evaluateAll((all) => all.map((b) => b.textContent));
	assert.equal(labels.reduce((sum, words) => sum + (Number(words) || 1), 0), profiles.filter((p) => Date.parse(p.time) > Date.now() - 604700000).length);
	await page.locator('.mark-button.event').nth(3).click();
	assert.match(await page.locator('.event-box').innerText(), /nginx: /);
	await page.locator('.mark-button.profile').nth(2).click();
	await routeHas(page, '/targets/1/flame?range=7d&profile=');
	await page.locator('.flame-canvas').waitFor();
	await page.getByRole('button', {name: 'Flamegraph at this moment'}).click();
	await routeHas(page, 'profile=' + profiles[0].id);
});

agentTest('target: leaks with evidence, advice and stack; one is cleared', '/targets/1/leaks', async (page, agent) => {
	const {leaks} = await ask(agent, 'leaks?target=1&state=active');
	await page.locator('.finding').first().waitFor();
	assert.equal(await page.locator('.finding').count(), leaks.length);
	const first = page.locator('.finding').first();
	await first.locator('summary').click();
	const words = await first.innerText();
	for (const word of ['leaking', 'ngx_http_foo_handler', 'src/foo.c:212', '61,240 blocks lost', 'missing free', 'in 3 scans of 3', 'core_engine', '0.99'])
		assert.ok(words.includes(word), word + ' in ' + words);
	assert.equal(await first.locator('.stack li').count(), leaks[0].stack.length);
	assert.match(await first.locator('.stack .own').innerText(), /ngx_http_foo_handler/);
	await first.getByRole('button', {name: 'Clear'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Cancel'}).click();
	assert.equal(agent.requests.filter((r) => r.method === 'DELETE').length, 0);
	await first.getByRole('button', {name: 'Clear'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Clear'}).click();
	await until(page, (n) => document.querySelectorAll('.finding').length === n - 1, leaks.length);
	assert.equal(agent.requests.find((r) => r.method === 'DELETE').path, '/api/v1/leaks/' + leaks[0].leak_id);
	await page.getByRole('button', {name: 'Cleared'}).click();
	await until(page, () => document.querySelectorAll('.finding').length === 2);
	await routeHas(page, 'leaks=cleared');
});

agentTest('target: a leak leads to its stack in the flamegraph', '/targets/1/leaks', async (page) => {
	await page.locator('.finding').nth(1).getByRole('link', {name: 'In flamegraph'}).click();
	await until(page, () => window.HF.page && window.HF.page.panel.flame.zoomed > 0);
	assert.equal(await page.evaluate(() => HF.page.panel.flame.label(HF.page.panel.flame.zoomed)), 'py on_request');
});

agentTest('flamegraph: profile, metric and focus stand in the address; the history moves it', '/targets/1/flame', async (page, agent) => {
	await page.locator('.flame-canvas').waitFor();
	const {profiles} = await ask(agent, 'targets/1/profiles'), label = () => page.evaluate(() => HF.page.panel.flame.label(HF.page.panel.flame.zoomed));
	const zoom = (name) => page.evaluate((wanted) => {
		const {flame, tree, model} = HF.page.panel;
		flame.zoom([...Array(tree.count).keys()].find((n) => n && model.table.functions[tree.key[n]].label === wanted));
	}, name);
	await zoom('ngx_http_foo_handler');
	await routeHas(page, 'focus=ngx_http_foo_handler~');
	await page.locator('[data-metric=alloc_bytes]').click();
	await routeHas(page, 'metric=alloc_bytes');
	await page.reload();
	await until(page, () => window.HF.page && window.HF.page.panel.flame.zoomed > 0);
	assert.equal(await label(), 'ngx_http_foo_handler');
	assert.equal(await page.locator('[data-metric=alloc_bytes]').getAttribute('aria-pressed'), 'true');
	await page.keyboard.press('[');
	await routeHas(page, 'profile=' + profiles[1].id);
	await page.keyboard.press('/');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'flame-search');
	await page.keyboard.type('json_parse');
	await until(page, () => /\d % in \d+ boxes/.test(document.querySelector('.flame-view .share').textContent));
	await page.keyboard.press('Escape');
	await page.keyboard.press(']');
	await routeHas(page, 'profile=' + profiles[0].id);
	await until(page, (sum) => window.HF.page && HF.page.model.sites.reduce((all, s) => all + s.outstanding_bytes, 0) === sum, (await ask(agent, 'targets/1/profiles/' + profiles[0].id)).sites.reduce((all, s) => all + s.outstanding_bytes, 0));
	assert.equal(await label(), 'ngx_http_foo_handler'); // also in another profile
	assert.equal(await page.locator('[data-metric=alloc_bytes]').getAttribute('aria-pressed'), 'true');
	await picture(page, 'flamegraph', true);
});

agentTest('flamegraph: the difference between two, from its own JSON', '/targets/1/flame?profile=68&base=60', async (page, agent) => {
	await page.locator('.flame-canvas').waitFor();
	assert.match(await page.locator('.flame-canvas').getAttribute('aria-label'), /By size, total \+1\.84 MiB\/min \(\+43 %\)/);
	assert.deepEqual(agent.requests.find((r) => r.path.endsWith('/diff')).query, {from: '60', to: '68', format: 'json'});
	assert.equal(await page.locator('.sites-host tbody tr').count(), (await ask(agent, 'targets/1/diff?from=60&to=68')).entries.length);
	await picture(page, 'difference', true);
	await page.getByRole('button', {name: 'Swap'}).click();
	await routeHas(page, 'profile=60&base=68');
	await page.getByLabel('Compared with').selectOption('');
	await until(page, () => /Held bytes/.test(document.querySelector('.flame-canvas')?.getAttribute('aria-label')));
});

agentTest('profiles: a table with links to the flamegraph, the difference and every format', '/targets/1/profiles', async (page, agent) => {
	const row = page.locator('.tabbed tbody tr').first();
	await row.waitFor();
	assert.deepEqual(await row.locator('.links a').evaluateAll((all) => all.map((a) => new URL(a.href).pathname + new URL(a.href).search)), ['html', 'json', 'pprof', 'folded', 'speedscope', 'text'].map((f) => '/api/v1/targets/1/profiles/68?format=' + f));
	for (const at of await row.locator('.links a').evaluateAll((all) => all.map((a) => a.href)))
		assert.equal((await fetch(at)).status, 200, at);
	const download = page.waitForEvent('download');
	await row.getByRole('link', {name: 'folded'}).click();
	assert.equal((await download).suggestedFilename(), 'nginx-68.folded');
	await row.getByRole('link', {name: 'from the one before'}).click();
	await routeHas(page, 'profile=68&base=67');
	assert.ok(agent.requests.length);
});

agentTest('components: their sum is the whole, the widest bar first', '/targets/3/components', async (page, agent) => {
	await page.locator('.components tbody tr').first().waitFor();
	const {components, total_bytes: total} = await ask(agent, 'targets/3/components');
	const names = await page.locator('.components tbody th').allInnerTexts(), bytes = await page.locator('.components tbody td:nth-child(2) span').evaluateAll((all) => all.map((s) => Number(s.title.replace(/\D/g, ''))));
	assert.deepEqual(names.slice().sort(), components.map((c) => c.name).sort());
	assert.deepEqual(bytes, bytes.slice().sort((a, b) => b - a));
	assert.ok(Math.abs(bytes.reduce((a, b) => a + b) - total) < total * 0.01);
	assert.ok(await page.locator('.components .hbar div').first().evaluate((d) => d.offsetWidth) > 100);
	await picture(page, 'components', true);
});

agentTest('spans: filtered and sorted', '/targets/3/spans', async (page) => {
	await page.locator('.tabbed tbody tr').first().waitFor();
	await page.getByLabel('Filter spans').fill('user-40');
	await until(page, () => /^25 of 340$/.test(document.querySelector('.tabbed .share').textContent));
	await page.getByRole('button', {name: 'Peak'}).click();
	const peaks = await page.locator('.tabbed tbody td:nth-child(5) span').evaluateAll((all) => all.map((s) => Number(s.title.replace(/\D/g, ''))));
	assert.deepEqual(peaks, peaks.slice().sort((a, b) => b - a));
});

agentTest('python: types and collections of a profile', '/targets/3/python', async (page) => {
	await page.locator('.python-host table').first().waitFor();
	const words = await page.locator('.tabbed').innerText();
	for (const word of ['app.Session', '+240 KiB/min', '__main__.REG.by_id[*]', 'collections 1,500 · 120 · 9', '720 collections in 1 min', 'CPython 3.11.2'])
		assert.ok(words.includes(word), word + ' in ' + words);
	assert.equal(await page.locator('nav.tabs a').count(), 8);
	await picture(page, 'python', true);
});

agentTest('actions: trace, gc with its warning, session start and stop', '/targets/9', async (page, agent) => {
	await page.getByRole('button', {name: 'Trace now…'}).click();
	await page.getByLabel('For how many seconds').fill('90');
	await page.locator('dialog').getByRole('button', {name: 'Trace', exact: true}).click();
	await page.locator('.notice').getByText('Tracing for 1 min 30 s').waitFor();
	await page.getByRole('button', {name: 'Being traced'}).waitFor();
	await page.goto(agent.url + '#/targets/3');
	await page.getByRole('button', {name: 'Force gc…'}).click();
	assert.match(await page.locator('dialog').innerText(), /stops the program/);
	await page.keyboard.press('Escape');
	assert.equal(agent.requests.filter((r) => r.path.endsWith('/gc')).length, 0);
	await page.getByRole('button', {name: 'Force gc…'}).click();
	await page.getByLabel('Also give free heap back').check();
	await page.locator('dialog').getByRole('button', {name: 'Collect'}).click();
	await page.locator('.notice').getByText('4,211 objects collected, 3,980 objects freed in 38.2 ms').waitFor();
	await page.getByRole('button', {name: 'Start session…'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Start'}).click();
	assert.equal(await page.locator('dialog[open]').count(), 1); // a name is wanted
	await page.getByLabel('Name').fill('by hand');
	await page.getByLabel('Description').fill('two users');
	await page.locator('dialog').getByRole('button', {name: 'Start'}).click();
	await page.getByRole('button', {name: 'Stop “by hand”'}).click();
	await page.locator('.notice').getByText('has ended: peak').waitFor();
	assert.equal(agent.fleet.sessions.at(-1).description, 'two users');
	assert.equal(agent.fleet.sessions.at(-1).state, 'ended');
});

agentTest('sessions: list, detail, downloads, deletion', '/sessions', async (page, agent) => {
	await page.locator('main tbody tr').first().waitFor();
	const {sessions} = await ask(agent, 'sessions?limit=1000');
	assert.equal(await page.locator('main tbody tr').count(), sessions.length);
	await picture(page, 'sessions');
	await page.locator('.choice select').selectOption('running');
	await until(page, (n) => document.querySelectorAll('main tbody tr').length === n, sessions.filter((s) => s.state === 'running').length);
	await page.goto(agent.url + '#/sessions/' + hex(5001));
	await until(page, () => document.querySelector('.plot canvas'));
	const words = await page.locator('main').innerText(), session = sessions.find((s) => s.session_id === hex(5001));
	for (const word of [session.session_name, 'ended', 'ngx_http_foo_handler', 'Recommendations', String(session.statistics.samples), '912,000', '30 min'])
		assert.ok(words.includes(word), word + ' in ' + words);
	for (const at of await page.locator('section[aria-label=Downloads] a').evaluateAll((all) => all.map((a) => a.href)))
		assert.equal((await fetch(at)).status, 200, at);
	await picture(page, 'session', true);
	await page.getByRole('button', {name: 'Delete'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Delete'}).click();
	await until(page, () => location.hash.startsWith('#/sessions') && !location.hash.includes('/sessions/'));
	assert.ok(!agent.fleet.sessions.some((s) => s.session_id === hex(5001)));
});

agentTest('events: live, filtered by kind, severity and target, older ones on demand', '/alerts', async (page, agent) => {
	await page.locator('.events tbody tr').first().waitFor();
	await page.getByText('live', {exact: true}).waitFor();
	agent.emit({event: 'TargetOomKilled', severity: 'critical', target: 2, text: 'api-gateway: killed just now'});
	await page.getByText('api-gateway: killed just now').waitFor();
	await page.getByLabel('Kind').selectOption('LeakDetected');
	await routeHas(page, 'kind=LeakDetected');
	await until(page, () => [...document.querySelectorAll('.events tbody td:nth-child(3)')].every((td) => td.textContent === 'Leak detected'));
	await page.getByRole('searchbox', {name: 'Target'}).fill('1');
	await page.keyboard.press('Enter');
	await routeHas(page, 'target=1');
	await until(page, () => [...document.querySelectorAll('.events tbody td:nth-child(4)')].every((td) => td.textContent === 'nginx 1200'));
	assert.deepEqual(agent.requests.filter((r) => r.path === '/api/v1/events').at(-1).query, {limit: '1000', kind: 'LeakDetected', target: '1'});
	const shown = await page.locator('.events tbody tr').count();
	agent.emit({event: 'LeakDetected', severity: 'warning', target: 1, text: 'nginx: a new one'});
	agent.emit({event: 'TargetAppeared', target: 1, text: 'not of this kind'});
	await page.getByText('nginx: a new one').waitFor();
	assert.equal(await page.locator('.events tbody tr').count(), shown + 1);
	await page.goto(agent.url + '#/alerts?severity=critical');
	await until(page, () => [...document.querySelectorAll('.events tbody td:nth-child(2)')].every((td) => /critical/.test(td.textContent)));
	await page.goto(agent.url + '#/alerts');
	await page.getByRole('button', {name: 'Older events'}).click();
	await until(page, () => /2,00\d events/.test(document.querySelector('main').textContent));
	await picture(page, 'alerts');
});

agentTest('a new alert is told to a screen reader, and counted in the title', '/agent', async (page, agent) => {
	const before = (await ask(agent, 'alerts')).alerts.length;
	await until(page, (n) => document.title.startsWith('(' + n + ')'), before);
	await page.waitForTimeout(300);
	const alerts = agent.fleet.alerts;
	agent.fleet.alerts = function () {
		return [{name: 'budget', severity: 'critical', target: null, target_name: null, since: new Date().toISOString(), value: 2, threshold: 1, text: 'tracing costs too much'}, ...alerts.call(this)];
	};
	agent.emit({event: 'PerformanceThresholdExceeded', severity: 'critical', target: 1, text: 'budget'});
	await until(page, () => document.getElementById('live').textContent === 'New alert: critical, tracing costs too much');
	await until(page, (n) => document.title.startsWith('(' + (n + 1) + ')'), before);
}, {options: {clock: AT_ONCE}, expect: /503/});

agentTest('agent: health, cost, store, configuration, licences, reload with its errors', '/agent', async (page) => {
	await page.locator('.config').waitFor();
	const words = await page.locator('main').innerText();
	for (const word of ['critical', 'uprobe_multi, session form', '0.61 % of 1 %', '41.0 MiB', '318 MiB', '26,611,200', 'sampling_interval: 5', 'unit: *.service', 'secret: null', 'smaps_rollup costs', '100'])
		assert.ok(words.includes(word), word + ' in ' + words);
	for (const [name, text] of [['dygraphs', 'Dan Vanderkam'], ['mithril', 'Leo Horie'], ['Zydis', 'MIT'], ['holdfast: GPL', 'GNU GENERAL PUBLIC LICENSE']]) {
		await page.locator('summary', {hasText: name}).click();
		await page.locator('details', {hasText: name}).locator('.license', {hasText: text}).waitFor();
	}
	await page.getByRole('button', {name: 'Reload…'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Reload'}).click();
	await page.locator('.notice').getByText('agent.yaml:12:5: unknown key “treshold”').waitFor();
	await picture(page, 'agent', true);
}, {options: {badConfig: true}, expect: /503|400/});
