// SPDX-License-Identifier: GPL-2.0-or-later
// When things go wrong: refusals, an agent that is gone, a token, answers that are none, names that attack.
import assert from 'node:assert/strict';
import {agentTest, chartDrawn, picture, targetRows, until} from './agent_harness.mjs';

const FAILED = /Failed to load resource|net::ERR/;

agentTest('an error is shown with what, why and fix, and what was there stays', '/targets', async (page, agent) => {
	await targetRows(page).first().waitFor();
	agent.fail({path: /api\/v1\/targets$/, status: 503, error: {code: 'HF-E-BUSY', what: 'The store is busy.', why: 'A migration runs.', fix: 'Wait a minute.'}, times: 1});
	await page.locator('select').selectOption('all');
	const box = page.locator('.problem');
	await box.waitFor();
	for (const word of ['The store is busy.', 'HF-E-BUSY', 'A migration runs.', 'Fix: Wait a minute.'])
		assert.ok((await box.innerText()).includes(word), word);
	assert.ok(await targetRows(page).count() > 200);
	await picture(page, 'error');
	await box.getByRole('button', {name: 'Try again'}).click();
	await until(page, () => document.querySelectorAll('table.targets tbody tr').length === 220 && !document.querySelector('.problem'));
}, {expect: FAILED});

agentTest('a target that is not there is told as the agent tells it', '/targets/9999', async (page) => {
	await page.locator('.problem').first().waitFor();
	assert.match(await page.locator('.problem').first().innerText(), /There is no target “9999”/);
}, {expect: FAILED});

agentTest('what an action was refused for is told, and nothing else changes', '/targets/3', async (page, agent) => {
	agent.fail({path: /\/gc$/, status: 409, error: {code: 'HF-E-BUSY', what: 'A collection runs already.', why: 'Another client forced it.', fix: 'Wait for it.'}});
	await page.getByRole('button', {name: 'Force gc…'}).click();
	await page.locator('dialog').getByRole('button', {name: 'Collect'}).click();
	await page.locator('.notice .problem').waitFor();
	assert.match(await page.locator('.notice').innerText(), /A collection runs already\.[\s\S]*Another client forced it\.[\s\S]*Wait for it\./);
	await page.locator('.notice').getByRole('button', {name: 'Close'}).click();
	assert.equal(await page.locator('.notice').count(), 0);
}, {expect: FAILED});

agentTest('an agent that is gone is told at once, tried again, and all goes on when it is back', '/targets/1', async (page, agent) => {
	await chartDrawn(page);
	await until(page, () => document.querySelector('.timeline'));
	await agent.close();
	await page.locator('.banner').waitFor();
	const words = await page.locator('.banner').innerText();
	for (const word of ['The agent does not answer.', 'What you see is as of', 'holdfast agent', 'next try in'])
		assert.ok(words.includes(word), word + ' in ' + words);
	assert.match(await page.locator('header.head').innerText(), /nginx/);
	await picture(page, 'unreachable');
	await agent.listen();
	await page.getByRole('button', {name: 'Try now'}).click();
	await until(page, () => !document.querySelector('.banner'));
	agent.emit({event: 'LeakDetected', severity: 'warning', target: 1, text: 'nginx: while you were away'});
	await page.goto(agent.url + '#/targets/1/events');
	await page.getByText('nginx: while you were away').waitFor();
}, {expect: FAILED});

agentTest('the stream goes on after a break, with what was missed', '/alerts', async (page, agent) => {
	await page.getByText('live', {exact: true}).waitFor();
	agent.emit({event: 'LeakDetected', target: 1, text: 'the first'});
	await page.getByText('the first').waitFor();
	agent.streams.forEach((response) => response.destroy());
	agent.streams.clear();
	agent.emit({event: 'LeakDetected', target: 1, text: 'the missed'});
	await page.getByText('the missed').waitFor();
	assert.equal(agent.requests.filter((r) => r.path.endsWith('/stream')).at(-1).query.since, String(agent.fleet.events.at(-2).id));
	assert.equal(await page.getByText('the first').count(), 1);
}, {expect: FAILED});

agentTest('a proxy’s page or half an answer in place of JSON is told, not shown', '/targets', async (page, agent) => {
	await page.locator('.problem').waitFor();
	assert.match(await page.locator('.problem').innerText(), /The agent answered with status 502\./);
	agent.faults.length = 0;
	agent.fail({path: /api\/v1\/targets$/, status: 200, body: '{"targets":[', times: 1});
	await page.getByRole('button', {name: 'Try again'}).click();
	await page.getByText('The answer of the agent is damaged.').waitFor();
	await page.getByRole('button', {name: 'Try again'}).click();
	await targetRows(page).first().waitFor();
}, {expect: FAILED, before: (agent) => agent.fail({path: /api\/v1\/targets$/, status: 502, body: '<html><h1>Bad gateway</h1><script>window.pwned=1</script>'})});

agentTest('a token is asked for, used for everything, downloads too', '/targets/1/profiles', async (page, agent) => {
	await page.getByText('The agent wants a token.').first().waitFor();
	await page.getByRole('button', {name: 'Enter the token…'}).click();
	await page.getByRole('textbox', {name: 'Token'}).fill('wrong');
	await page.locator('dialog').getByRole('button', {name: 'Use it'}).click();
	await page.getByText('The token given is not the right one.').first().waitFor();
	await page.getByRole('button', {name: 'Enter the token…'}).click();
	await page.getByRole('textbox', {name: 'Token'}).fill('secret');
	await page.locator('dialog').getByRole('button', {name: 'Use it'}).click();
	await page.locator('.tabbed tbody tr').first().waitFor();
	await until(page, () => !document.querySelector('.banner'));
	const download = page.waitForEvent('download');
	await page.locator('.tabbed tbody tr').first().getByRole('link', {name: 'folded'}).click();
	assert.equal((await download).suggestedFilename(), 'nginx-68.folded');
	await page.reload();
	await page.locator('.tabbed tbody tr').first().waitFor();
	assert.ok(agent.requests.filter((r) => r.path.startsWith('/api')).slice(-5).every((r) => r.headers.authorization === 'Bearer secret'));
	assert.ok(!page.requests.some((at) => at.includes('secret')));
}, {options: {token: 'secret'}, expect: FAILED});

agentTest('names that attack stay text on every screen', '/targets?filter=img', async (page, agent) => {
	await targetRows(page).first().waitFor();
	assert.match(await targetRows(page).first().innerText(), /<img src=x onerror=/);
	const attack = agent.fleet.targets[6].name, leak = agent.fleet.allLeaks[0];
	Object.assign(leak, {component: attack, recommendation: attack, type: attack, held_by: attack, state: attack, target_name: attack, evidence: [{text: attack}, null, 7], stack: [{function: attack, file: attack, module: attack, kind: attack, line: attack}, null, 'x']});
	agent.emit({event: attack, severity: attack, target: 7, text: attack, details: {[attack]: attack, deep: {x: attack}}});
	const {components, spans, config} = agent.fleet;
	agent.fleet.components = (t) => ({...components.call(agent.fleet, t), components: [{name: attack, outstanding_bytes: 5, current_memory_mb: 'x', peak_memory_mb: null, growth_rate_mb_per_min: attack}]});
	agent.fleet.spans = (t) => [...spans.call(agent.fleet, t), {span: attack, key: attack, outstanding_bytes: attack, first_seen: attack, last_seen: attack}];
	agent.fleet.config = () => ({[attack]: [attack, {[attack]: {}}], ...config.call(agent.fleet)});
	agent.fleet.sessions.unshift({...agent.fleet.sessions[0], session_id: 'feedfeedfeedfeed', target: 1, session_name: attack, description: attack, recommendations: [attack], detected_leaks: [leak, leak && {...leak, leak_id: attack}]});
	for (const [hash, selector] of [['/targets/7', 'header.head h1'], ['/targets/1/leaks', '.finding'], ['/targets/1/components', '.components'], ['/targets/1/spans', '.tabbed table'], ['/alerts', '.events tbody tr'], ['/sessions', 'main tbody tr'], ['/sessions/feedfeedfeedfeed', '.finding'], ['/agent', '.config'], ['/targets/1/flame', '.flame-canvas']]) {
		await page.goto(agent.url + '#' + hash);
		await page.locator(selector).first().waitFor();
		await until(page, () => !document.querySelector('[aria-busy]'));
		const found = await page.evaluate(() => ({html: document.querySelectorAll('img, main script').length, turned: /[\u202e\u0007]/.test(document.body.textContent)}));
		assert.deepEqual(found, {html: 0, turned: false}, hash);
	}
	await picture(page, 'hostile');
}, {expect: /503/});
