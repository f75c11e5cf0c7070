// SPDX-License-Identifier: GPL-2.0-or-later
// A headless Chromium with a profile of its own; and pages that notice every error and every request.
import {createRequire} from 'node:module';
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

// Installed by test_page.sh below .output, so that the checks of our own sources never meet it.
const require = createRequire(new URL('../../.output/web/', import.meta.url));
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/* Why no browser test can run here; '' if they can. */
export function missing() {
	if (!existsSync(CHROMIUM))
		return CHROMIUM + ' is not installed';
	try {
		require.resolve('playwright-core');
	} catch {
		return process.env.HF_WEB_MISSING || 'playwright-core is not installed (test_page.sh does it by npm ci)';
	}
	return '';
}

export async function launch() {
	const {chromium} = require('playwright-core');
	const profile = mkdtempSync(join(tmpdir(), 'hf-web-'));
	const context = await chromium.launchPersistentContext(profile, {executablePath: CHROMIUM, args: ARGS, headless: true, viewport: {width: 1400, height: 900}});
	return {
		context,
		close: async () => {
			await context.close();
			rmSync(profile, {recursive: true, force: true});
		},
		/* Opens a file. */
		open(file) {
			return this.visit(pathToFileURL(file).href);
		},
		/* Opens an address; page.complaints and page.requests collect what should not happen (reading pixels back is the tests' own doing). */
		visit: async (address) => {
			const page = await context.newPage();
			page.complaints = [];
			page.requests = [];
			page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !m.text().includes('willReadFrequently') && page.complaints.push(m.text()));
			page.on('pageerror', (e) => page.complaints.push(String(e)));
			page.on('request', (r) => page.requests.push(r.url()));
			await page.goto(address);
			await page.waitForFunction(() => document.documentElement.dataset.ready === 'true', null, {timeout: 60000});
			return page;
		},
	};
}
