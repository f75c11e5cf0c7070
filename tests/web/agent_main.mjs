// SPDX-License-Identifier: GPL-2.0-or-later
// First what needs no browser, then the screens, or why not.
import {missing} from './browser.mjs';
import {plan, run} from './tap.mjs';

await import('./agent_pure.mjs');
let failed = await run('');
const reason = missing();
await import('./agent_screens.mjs');
await import('./agent_trouble.mjs');
await import('./agent_access.mjs');
await import('./agent_speed.mjs');
const {finish} = await import('./agent_harness.mjs');
try {
	failed += await run(reason);
} finally {
	await finish();
}
plan();
process.exit(failed ? 1 : 0);
