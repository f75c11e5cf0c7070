// SPDX-License-Identifier: GPL-2.0-or-later
// First what needs no browser, then the pages, or why not.
import {missing} from './browser.mjs';
import {plan, run} from './tap.mjs';

await import('./pure.mjs');
let failed = await run('');
const reason = missing();
await import('./page.mjs');
await import('./diff_page.mjs');
const {finish} = await import('./harness.mjs');
try {
	failed += await run(reason);
} finally {
	await finish();
}
plan();
process.exit(failed ? 1 : 0);
