// SPDX-License-Identifier: GPL-2.0-or-later
// How a target ended; most of all where the kernel killed it for memory.
import {exactBytes, bytes, rate, some, text, when, zone} from './words.js';
import {link, targetPath} from './widgets.js';

const {m, HF} = window;

const wasKilled = (t) => t.end_reason === 'oom';

/* What it is called in lists: its state, or what ended it. */
export const stateOf = (t) => t.state === 'ended' && wasKilled(t) ? 'killed' : t.state;

function killed(t) {
	const end = HF.map(t.end), leaks = HF.list(end.leaks).length, held = Number.isFinite(end.rss_bytes) ? bytes(end.rss_bytes) : null;
	const sentence = [held && ['it held ', m('b', {title: exactBytes(end.rss_bytes)}, held), end.limit_bytes ? ' (the limit of its cgroups was ' + bytes(end.limit_bytes) + ')' : ''],
		end.growth_known && ['grew by ', m('b', rate(end.growth_rate_mb_per_min))], Number.isFinite(end.heap_live_bytes) && ['had ', m('b', bytes(end.heap_live_bytes)), ' allocated since tracing began']].filter(Boolean);
	return m('.problem', {role: 'note', 'aria-label': 'How it ended'}, [
		m('p', [m('strong', 'Killed by the kernel for memory'), ' ', when(end.killed_at || t.ended_at), ', ', zone(), '.']),
		sentence.length ? m('p', ['Then ', sentence.map((part, i) => [i ? (i === sentence.length - 1 ? ' and ' : ', ') : '', part]), '.']) : null,
		m('p', [leaks ? link(targetPath(t.id) + '/leaks', {}, 'Its ' + some(leaks, 'leak')) : 'No leak was known', t.profile ? [' · ', link(targetPath(t.id) + '/flame', {profile: t.profile}, 'Its last profile')] : ' · It was not traced, so there is no profile.']),
	]);
}

/* Of a target that has ended. */
export function ending(t) {
	return wasKilled(t) ? [killed(t), m('p.soft', 'What was recorded is kept as long as the retention says.')] : m('p.soft', ['It ended ', when(t.ended_at), ', ', zone(), t.end_reason ? ': ' + text(t.end_reason, 200) : '', '. What was recorded is kept as long as the retention says.']);
}
