// SPDX-License-Identifier: GPL-2.0-or-later
// What tests of the agent's page share: an agent of its own for each, a window on it, and what must hold at the end of each.
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {launch} from './browser.mjs';
import {FakeAgent} from './fake_agent.mjs';
import {test} from './tap.mjs';

const PICTURES = fileURLToPath(new URL('../../.output/web/', import.meta.url));
let browser;

export async function finish() {
	if (browser)
		await browser.close();
}

/*
 * body(page, agent) at the route `hash`; options: for the agent; expect: complaints of the console that belong to the test (an answer
 * that is an error is one); before(agent): first of all.
 */
export function agentTest(name, hash, body, {options, expect, before} = {}) {
	test(name, async () => {
		const agent = new FakeAgent(options);
		const url = await agent.listen();
		browser ||= await launch();
		before?.(agent);
		const page = await browser.visit(url + '#' + hash);
		try {
			await body(page, agent);
			assert.equal(await page.evaluate(() => window.pwned), undefined);
			assert.deepEqual(page.complaints.filter((words) => !(expect && expect.test(words))), []);
			assert.deepEqual(page.requests.filter((at) => !at.startsWith(url) && !at.startsWith('blob:' + url)), []);
		} finally {
			await page.close();
			await agent.close();
		}
	});
}

export const route = (page) => page.evaluate(() => location.hash.slice(1));

/* Waits for a condition in the page. */
export const until = (page, condition, argument) => page.waitForFunction(condition, argument, {timeout: 20000});

export const routeHas = (page, words) => until(page, (w) => decodeURIComponent(location.hash).includes(w), words);

export async function picture(page, name, full) {
	mkdirSync(PICTURES, {recursive: true});
	await page.screenshot({path: PICTURES + 'agent-' + name + '.png', fullPage: Boolean(full)});
}

export const targetRows = (page) => page.locator('table.targets tbody tr');

/* Once the answers are there and the chart is drawn. */
export const chartDrawn = (page) => until(page, () => document.querySelector('.plot canvas') && /RSS \d/.test(document.querySelector('.readout')?.textContent || ''));

/* Of the API, as the tests' own reading. */
export const ask = async (agent, path) => (await fetch(agent.url + 'api/v1/' + path)).json();

/* Milliseconds until the page has painted what `act` (evaluated in it) did. */
export const timed = (page, act, argument) => page.evaluate(async ([source, value]) => {
	const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
	const start = performance.now();
	await (0, eval)('(' + source + ')')(value); // the tests' own code: pages evaluated by the debugger are not bound by the policy
	await painted();
	return performance.now() - start;
}, [String(act), argument]);
