// SPDX-License-Identifier: GPL-2.0-or-later
// For keyboards, screen readers, either theme, any zone, small windows; and what the policy of the page lets it do.
import assert from 'node:assert/strict';
import {agentTest, chartDrawn, picture, route, routeHas, targetRows, until} from './agent_harness.mjs';
import {hex} from './fake_fleet.mjs';

const SCREENS = [
	['/targets', 'table.targets tbody tr'], ['/targets/1', '.finding'], ['/targets/1/flame', '.flame-canvas'], ['/targets/3/components', '.components'], ['/targets/3/spans', '.tabbed tbody tr'], ['/targets/3/python', '.python-host table'], ['/targets/1/profiles', '.tabbed tbody tr'], ['/targets/3/sessions', '.tabbed tbody tr'],
	['/targets/1/events', '.tabbed tbody tr'], ['/sessions', 'main tbody tr'], ['/sessions/' + hex(5001), '.finding'], ['/alerts', '.events tbody tr'], ['/agent', '.config'],
];

/* In the page: what a screen reader or a keyboard would miss. */
function faults() {
	const found = [], say = (words, node) => found.push(words + ': ' + node.outerHTML.slice(0, 120));
	const nameOf = (e) => (e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent || '').join('') || [...(e.labels || [])].map((l) => l.textContent).join('') || e.textContent || e.title || '').trim();
	const all = (selector) => [...document.querySelectorAll(selector)];
	all('a[href], button, input, select, textarea, summary, [tabindex="0"], [role=img], [role=slider], [role=region], [role=meter]').filter((e) => e.getClientRects().length && !nameOf(e)).forEach((e) => say('has no name', e));
	const ids = all('[id]').map((e) => e.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => found.push('id twice: ' + id));
	for (const table of all('table')) {
		if (!table.caption && !table.closest('details, .python-host, .types-host'))
			say('table without caption', table);
		if (!table.querySelector('thead th[scope=col]') && !table.closest('.sides'))
			say('table without headers', table);
	}
	for (const [selector, count] of [['header.top', 1], ['main', 1], ['nav[aria-label=Main]', 1], ['h1', 1], ['footer', 1], ['[aria-live=polite]#live', 1]])
		if (all(selector).length !== count)
			found.push(selector + ': ' + all(selector).length);
	let level = 1;
	for (const h of all('h1, h2, h3, h4').filter((e) => e.getClientRects().length)) {
		const next = Number(h.tagName[1]);
		if (next > level + 1 && !(level === 2 && next === 4))
			say('heading leaps from ' + level, h);
		level = next;
	}
	all('section, nav').filter((e) => !nameOf(e)).forEach((e) => say('landmark without a name', e));
	all('[tabindex]').filter((e) => e.tabIndex > 0).forEach((e) => say('tabindex above 0', e));
	all('[aria-current], [aria-sort], [aria-pressed]').filter((e) => ['aria-current', 'aria-sort', 'aria-pressed'].some((a) => ['null', 'undefined'].includes(e.getAttribute(a)))).forEach((e) => say('null in an attribute', e));
	all('[title=null], [title=undefined], [class=null], [class=undefined]').forEach((e) => say('null in an attribute', e));
	for (const word of all('[aria-describedby]').flatMap((e) => e.getAttribute('aria-describedby').split(' ')))
		if (!document.getElementById(word))
			found.push('describes nothing: ' + word);
	return found;
}

/* Contrast of every visible text with what lies below it; WCAG AA. */
function pale() {
	const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number), light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1)
				return c;
		}
		return [255, 255, 255];
	};
	const found = new Set();
	for (const e of document.querySelectorAll('body *')) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length || e.closest('[disabled], .sr, svg, option, [aria-hidden=true], .stale') || e.closest('.skip'))
			continue;
		const style = getComputedStyle(e), a = light(parse(style.color)), b = light(ground(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), big = parseFloat(style.fontSize) >= 18.66;
		if (ratio < (big ? 3 : 4.5))
			found.add(ratio.toFixed(2) + ' ' + (e.className || e.tagName) + ' “' + e.textContent.trim().slice(0, 30) + '”');
	}
	return [...found].slice(0, 10);
}

for (const theme of ['light', 'dark'])
	agentTest(`every screen has names, headers, landmarks and contrast, ${theme}`, '/targets', async (page, agent) => {
		await page.emulateMedia({colorScheme: theme});
		for (const [hash, selector] of SCREENS) {
			await page.goto(agent.url + '#' + hash);
			await page.locator(selector).first().waitFor();
			await until(page, () => !document.querySelector('[aria-busy]'));
			await page.waitForTimeout(150);
			await until(page, (wanted) => document.documentElement.dataset.theme === wanted, theme);
			assert.deepEqual(await page.evaluate(faults), [], hash);
			assert.deepEqual(await page.evaluate(pale), [], hash);
		}
	}, {expect: /503/});

agentTest('by keys alone: skip link, rows, a target, back; the focus is seen', '/targets', async (page) => {
	await targetRows(page).first().waitFor();
	await page.keyboard.press('Tab');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
	assert.ok((await page.locator('#skip').boundingBox()).height > 15);
	await page.keyboard.press('Enter');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
	assert.ok((await route(page)).startsWith('/targets'));
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('k');
	assert.equal(await page.evaluate(() => document.activeElement.textContent), 'nginx');
	assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
	await page.keyboard.press('Enter');
	await until(page, () => document.activeElement.tagName === 'H1' && /nginx/.test(document.activeElement.textContent));
	await page.keyboard.press('g');
	await page.keyboard.press('s');
	await until(page, () => document.activeElement.tagName === 'H1' && document.activeElement.textContent === 'Sessions');
	await page.goBack();
	await until(page, () => location.hash.startsWith('#/targets/1'));
});

agentTest('tab order goes through the top, then the content, and every stop shows where it is', '/targets/1', async (page) => {
	await chartDrawn(page);
	const stops = [];
	for (let i = 0; i < 32; i++) {
		await page.keyboard.press('Tab');
		stops.push(await page.evaluate(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			return {name: (e.getAttribute('aria-label') || e.textContent).trim().slice(0, 30), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0};
		}));
	}
	assert.deepEqual(stops.filter((s) => !s.seen), []);
	const names = stops.map((s) => s.name), order = ['Skip to the content', 'Targets', 'Sessions', 'Agent', 'List of keys', '← Targets', 'Start session…', '15 min', 'Live', 'RSS', 'Memory over time'].map((n) => names.indexOf(n));
	assert.ok(order.every((at, i) => at >= 0 && (!i || at > order[i - 1])), names.join(', '));
});

agentTest('? lists the keys; the dialog takes the focus and gives it back', '/targets', async (page) => {
	await targetRows(page).first().waitFor();
	await page.keyboard.press('j');
	await page.keyboard.press('?');
	const dialog = page.locator('dialog[open]');
	await dialog.waitFor();
	assert.match(await dialog.innerText(), /filter targets, or search the flamegraph/);
	assert.ok(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)));
	await picture(page, 'keys');
	await page.keyboard.press('j'); // does nothing behind the dialog
	await page.keyboard.press('Escape');
	await until(page, () => !document.querySelector('dialog'));
	assert.equal(await page.evaluate(() => document.activeElement.textContent), 'nginx');
});

agentTest('dark and light follow the system until the reader chooses; the choice is kept', '/targets/1', async (page) => {
	await chartDrawn(page);
	const theme = (wanted) => until(page, (word) => document.documentElement.dataset.theme === word, wanted);
	await page.emulateMedia({colorScheme: 'dark'});
	await theme('dark');
	await page.emulateMedia({colorScheme: 'light'});
	await theme('light');
	await page.keyboard.press('d');
	await theme('dark');
	await page.reload();
	await chartDrawn(page);
	await theme('dark');
	await page.getByRole('button', {name: 'Light', exact: true}).click();
	await theme('light');
});

agentTest('times are told with their zone, and change together', '/alerts', async (page) => {
	await page.locator('.events tbody tr').first().waitFor();
	await page.keyboard.press('u');
	await until(page, () => /Times: UTC/.test(document.querySelector('footer').textContent));
	const shown = await page.locator('.events tbody time').first().innerText(), exact = await page.locator('.events tbody time').first().getAttribute('datetime');
	assert.equal(shown, exact.slice(0, 19).replace('T', ' '));
});

agentTest('a small window: nothing is wider than it', '/targets/1', async (page, agent) => {
	await page.setViewportSize({width: 390, height: 844});
	for (const hash of ['/targets', '/targets/1', '/targets/1/flame', '/alerts', '/agent', '/sessions']) {
		await page.goto(agent.url + '#' + hash);
		await until(page, () => !document.querySelector('[aria-busy]'));
		await page.waitForTimeout(200);
		const wide = await page.evaluate(() => document.documentElement.scrollWidth);
		assert.ok(wide <= 390, hash + ': ' + wide);
	}
	await picture(page, 'small');
}, {expect: /503/});

agentTest('the policy holds: no style, script or request beyond the agent’s own', '/targets/1', async (page, agent) => {
	await chartDrawn(page);
	const answer = await fetch(agent.url);
	assert.match(answer.headers.get('content-security-policy'), /^default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
	const blocked = await page.evaluate(async () => {
		const seen = [];
		document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
		document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.pwned=1'}));
		await fetch('https://example.org/').catch(() => {});
		await new Promise((done) => setTimeout(done, 100));
		return seen;
	});
	assert.deepEqual([...new Set(blocked)], ['script-src-elem', 'connect-src']); // twice: by the header and by the page
	page.requests = page.requests.filter((at) => !at.includes('example.org'));
	assert.ok(await page.locator('.dygraph-axis-label').count() > 5);
}, {expect: /Content Security Policy|Refused to|Executing inline|Connecting to|Fetch API cannot load/});
