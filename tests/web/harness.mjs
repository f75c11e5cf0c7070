// SPDX-License-Identifier: GPL-2.0-or-later
// What tests of a page in a browser share: opening it, looking at it, pointing at its boxes.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {assemble} from './assemble.mjs';
import {launch} from './browser.mjs';
import {test} from './tap.mjs';

const folder = mkdtempSync(join(tmpdir(), 'hf-page-'));
let browser;

export async function finish() {
	if (browser)
		await browser.close();
	rmSync(folder, {recursive: true, force: true});
}

export async function open(page) {
	browser ||= await launch();
	const file = join(folder, Math.random().toString(36).slice(2) + '.html');
	writeFileSync(file, page);
	return browser.open(file);
}

/* What is drawn in a later frame: comes within a time that only a hang exceeds. */
export async function until(condition) {
	for (let i = 0; !await condition(); i++) {
		assert.ok(i < 600, String(condition));
		await new Promise((done) => setTimeout(done, 50));
	}
}

/* A test on the page of a report, or of another kind; afterwards the page must have asked for nothing but itself and complained of nothing. */
export function pageTest(name, data, body, kind) {
	test(name, async () => {
		const shown = data();
		const page = await open(assemble(JSON.stringify(shown), kind));
		try {
			await body(page, shown);
			assert.deepEqual(page.complaints, []);
			assert.equal(page.requests.filter((url) => url !== 'data:,').length, 1, page.requests.join(' '));
		} finally {
			await page.close();
		}
	});
}

export const sum = (sites, field) => sites.reduce((s, x) => s + x[field], 0);
export const mib = (n) => (n / 1048576).toFixed(2) + ' MiB';
export const details = (page) => page.locator('.details').innerText();
export const selected = (page) => page.evaluate(() => HF.page.panel.flame.label(HF.page.panel.flame.selected));
export const zoomed = (page) => page.evaluate(() => HF.page.panel.flame.label(HF.page.panel.flame.zoomed));

/* Clicks the first visible box of a function. */
export async function clickBox(page, name) {
	const at = await page.evaluate((wanted) => {
		const {flame, tree, model} = HF.page.panel;
		for (let n = 1; n < tree.count; n++) {
			const box = model.table.functions[tree.key[n]].label === wanted && flame.box(n);
			if (box)
				return {x: box.x + box.width / 2, y: box.y + 8};
		}
		return null;
	}, name);
	await page.locator('.flame-canvas').click({position: at});
}

export const matchPixels = (page) => page.evaluate(() => {
	const canvas = HF.page.panel.flame.canvas;
	const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
	let n = 0;
	for (let i = 0; i < data.length; i += 4)
		n += data[i] === 0xf5 && data[i + 1] === 0xa3 && data[i + 2] === 0 ? 1 : 0;
	return n;
});

export const program = fileURLToPath(new URL('../../holdfast', import.meta.url));

/* Runs the program, which must end well. */
export function run(...words) {
	const done = spawnSync(program, words, {encoding: 'utf8', maxBuffer: 1 << 26});
	assert.equal(done.status, 0, done.stderr);
	return done.stdout;
}

/* Data as a file of the tests' folder. */
export function store(name, data) {
	const file = join(folder, name);
	writeFileSync(file, JSON.stringify(data));
	return file;
}
