// SPDX-License-Identifier: GPL-2.0-or-later
// Leaks with their evidence, advice and stack.
import {remove} from './api.js';
import {ask} from './dialog.js';
import {badge, facts, growthWithSpread, link, notices, ownFrame, size, stackList, targetPath, timeText} from './widgets.js';
import {ago, bytes, count, some, text} from './words.js';

const {m, HF} = window;

function title(leak, own) {
	const frame = own >= 0 ? HF.map(HF.list(leak.stack)[own]) : null;
	if (frame)
		return [m('span.fn', text(frame.function) || text(frame.module)), ' ', m('span.src', text(frame.file) ? text(frame.file) + (frame.line > 0 ? ':' + frame.line : '') : HF.basename(text(frame.module)))];
	return [m('span.fn', leak.type ? 'type ' + text(leak.type) : text(leak.component) || 'no stack'), ' ', m('span.src', 'allocated before it was traced')];
}

async function clear(leak, done) {
	const yes = await ask({title: 'Clear this leak?', words: ['It counts as dealt with, and comes back only with new evidence.'], action: 'Clear'});
	if (!yes)
		return;
	try {
		await remove('leaks/' + encodeURIComponent(leak.leak_id));
		notices.say('The leak is cleared.');
	} catch (e) {
		notices.problem(e);
	}
	done();
}

const evidence = (leak) => HF.list(leak.evidence).slice(0, 100).map((e) => text(HF.map(e).text, 500) || text(HF.map(e).kind) + ' ' + text(HF.map(e).value));

function body(leak, own) {
	const words = evidence(leak);
	return m('.finding-body', [
		words.length ? [m('h4', 'Evidence'), m('ul.evidence', words.map((w) => m('li', w)))] : null,
		HF.list(leak.stack).length ? [m('h4', 'Stack'), stackList(leak.stack, own)] : null,
		facts([['Component', text(leak.component)], ['Type', text(leak.type)], ['Held by', text(leak.held_by)], ['First seen', timeText(leak.first_seen)], ['Last seen', timeText(leak.last_seen)], ['Cleared', leak.cleared_at ? timeText(leak.cleared_at) : null], ['Id', m('code', text(leak.leak_id, 40))]]),
	]);
}

/* One leak; `onchange` after it was cleared; `named`: with the name of its target. */
function item(leak, {onchange, named}) {
	const own = ownFrame(leak), inFlame = leak.profile !== null && leak.profile !== undefined;
	return m('li.finding', {key: leak.leak_id}, [
		m('.finding-head', [m('.finding-rate', growthWithSpread(leak)),
			m('.finding-what', [m('p.finding-title', [badge(leak.state), ' ', title(leak, own)]),
				m('p.soft', [leak.lost_count > 0 ? some(leak.lost_count, 'block') + ' lost · ' : '', size(leak.outstanding_bytes), ' held · ', leak.component ? 'component ' + text(leak.component, 60) + ' · ' : '', typeof leak.confidence === 'number' ? 'confidence ' + leak.confidence.toFixed(2) + ' · ' : '', 'seen first ' + ago(leak.first_seen), named ? [' · ', link(targetPath(leak.target) + '/leaks', {}, text(leak.target_name, 60))] : null]),
				leak.recommendation ? m('p.advice', text(leak.recommendation, 1000)) : null]),
			m('.buttons.tight', [inFlame ? link(targetPath(leak.target) + '/flame', {profile: leak.profile, leak: leak.leak_id}, 'In flamegraph') : null,
				leak.active && onchange ? m('button[type=button]', {onclick: () => clear(leak, onchange)}, 'Clear') : null])]),
		m('details', [m('summary', ['Evidence and stack', m('span.sr', ' of ' + text(HF.map(HF.list(leak.stack)[own]).function || leak.leak_id, 80))]), body(leak, own)]),
	]);
}

/* leaks; none: words where there are none; onchange: after one was cleared. */
export function leakList(leaks, options) {
	if (!leaks.length)
		return m('p.empty', options.none);
	const total = leaks.reduce((sum, l) => sum + (l.outstanding_bytes || 0), 0);
	return [m('p.soft', [some(leaks.length, 'leak'), ', ', m('span', {title: count(total) + ' bytes'}, bytes(total)), ' held by them']), m('ol.findings', leaks.map((leak) => item(leak, options)))];
}
