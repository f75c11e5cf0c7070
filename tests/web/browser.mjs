// SPDX-License-Identifier: GPL-2.0-or-later
// A headless Chromium with a profile of its own; and pages that notice every error and every request.
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/* Why no browser test can run here; '' if they can. */
export async function missing() {
	if (!existsSync(CHROMIUM))
		return CHROMIUM + ' is not installed';
	try {
		await import('playwright-core');
	} catch {
		return 'playwright-core is not installed (npm ci in tests/web)';
	}
	return '';
}

export async function launch() {
	const {chromium} = await import('playwright-core');
	const profile = mkdtempSync(join(tmpdir(), 'hf-web-'));
	const context = await chromium.launchPersistentContext(profile, {executablePath: CHROMIUM, args: ARGS, headless: true, viewport: {width: 1400, height: 900}});
	return {
		context,
		close: async () => {
			await context.close();
			rmSync(profile, {recursive: true, force: true});
		},
		/* Opens a file; page.complaints and page.requests collect what should not happen (reading pixels back is the tests' own doing). */
		open: async (file) => {
			const page = await context.newPage();
			page.complaints = [];
			page.requests = [];
			page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !m.text().includes('willReadFrequently') && page.complaints.push(m.text()));
			page.on('pageerror', (e) => page.complaints.push(String(e)));
			page.on('request', (r) => page.requests.push(r.url()));
			await page.goto(pathToFileURL(file).href);
			await page.waitForFunction(() => document.documentElement.dataset.ready === 'true', null, {timeout: 60000});
			return page;
		},
	};
}
