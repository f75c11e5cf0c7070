// SPDX-License-Identifier: GPL-2.0-or-later
// What is read first: target, verdict, findings; and what is read last: data quality.
(function (HF) {
'use strict';

const {el, fill, num, text, MARKS, STATES} = HF;

HF.showTarget = function (host, model) {
	const {target, capture, tool} = model;
	const name = text(target.comm, 64) || HF.basename(text(target.exe)) || 'process';
	document.title = name + ' ' + num(target.pid) + ' · ' + model.verdict.state + ' · holdfast';
	const build = text(target.build_id, 80);
	const allocators = HF.list(target.allocators).slice(0, 20).map((a) => text(HF.map(a).name, 80) + (HF.map(a).probed === false ? ' (not traced)' : '')).filter(Boolean);
	const others = model.processes.length - 1;
	const mode = {exact: 'exact: every call', budget: 'budget ' + num(capture.budget_percent) + ' %', scan: 'scan: no tracing'}[capture.mode] || text(capture.mode, 40);
	const facts = [
		build && el('span', {title: build}, 'build ', el('code', {}, build.slice(0, 12) + (build.length > 12 ? '…' : ''))),
		allocators.join(', '), target.container && 'container ' + text(target.container, 80), capture.started_at && HF.when(capture.started_at),
		'watched ' + HF.duration(num(capture.duration_s)), mode, num(capture.overhead_percent) > 0 && 'cost ' + +num(capture.overhead_percent).toPrecision(2) + ' %',
		others > 0 && HF.count(others) + (others === 1 ? ' other process' : ' other processes'),
	];
	const command = Array.isArray(target.cmdline) ? target.cmdline.map((a) => text(a)).join(' ') : text(target.cmdline);
	fill(host, el('h1', {}, name, el('span', {class: 'soft'}, ' pid ' + num(target.pid))),
		el('p', {class: 'facts'}, facts.filter(Boolean).map((fact) => el('span', {}, fact))),
		command && el('p', {class: 'cmdline'}, el('code', {}, command)));
	HF.byId('tool').textContent = 'holdfast ' + text(tool.version, 40);
};

/* How near the limit is, and when it is reached at today's rate; '' if there is none. */
function limitText(model) {
	const limit = num(model.memory.limit_bytes), rss = num(model.memory.rss_bytes);
	const left = model.verdict.limitEta, soon = left > 0 && left < 90 * 86400;
	if (!(limit > 0) || !(rss > 0))
		return soon ? 'machine full in ~' + HF.duration(left) : '';
	const used = HF.percent(rss, limit) + ' of ' + HF.bytes(limit);
	if (rss >= limit)
		return used + ': reached';
	return used + (soon ? '; reached in ~' + HF.duration(left) : '');
}

HF.showVerdict = function (host, model) {
	const v = model.verdict;
	const [tone, meaning] = STATES[v.state] || ['mild', ''];
	const fact = (name, value, help) => value && el('div', {class: 'fact', title: help || null}, el('dt', {}, name), el('dd', {}, value));
	const lost = model.findings.reduce((sum, f) => sum + f.lost_bytes, 0);
	host.className = 'verdict ' + tone;
	fill(host, el('div', {class: 'verdict-main'},
		el('p', {class: 'state'}, el('span', {class: 'mark', 'aria-hidden': 'true'}, MARKS[tone]), el('span', {class: 'sr'}, 'Verdict: '), v.state),
		el('p', {class: 'growth'}, HF.rate(v.growth), ' ', el('span', {class: 'soft'}, HF.spread(v.growth, v.interval))),
		el('p', {class: 'meaning'}, meaning)),
	el('dl', {class: 'verdict-facts'},
		fact('Confidence', v.confidence === null ? '' : v.confidence.toFixed(2)),
		fact('Explained', v.explained === null ? '' : +v.explained.toFixed(1) + ' %', 'Share of the growth that the findings below account for'),
		fact('RSS', num(model.memory.rss_bytes) > 0 ? HF.bytes(model.memory.rss_bytes) : ''),
		fact('RSS trend', model.rssGrowth === null ? '' : HF.rate(model.rssGrowth)),
		fact('Lost', lost > 0 ? (model.findings.some((f) => f.estimated) ? 'about ' : '') + HF.bytes(lost) : '', 'Nothing refers to these bytes any more'),
		fact('Limit', limitText(model)), fact('Firm', v.toFirm > 0 ? 'in about ' + HF.duration(v.toFirm) : '', 'How long it would take to be sure')),
	v.evidence.length > 0 && el('details', {}, el('summary', {}, 'Why'), el('ul', {class: 'evidence'}, v.evidence.map((e) => el('li', {}, e)))));
};

/* Losses that make the figures doubtful come before everything else. */
HF.showBanner = function (host, model) {
	const q = model.quality, words = [];
	if (num(q.lost_events) > 0)
		words.push(HF.count(q.lost_events) + ' of ' + HF.count(num(q.events) + num(q.lost_events)) + ' events were lost (' + HF.percent(q.lost_events, num(q.events) + num(q.lost_events)) + '): the figures below are too small or too large by what is missing.');
	if (num(q.symbols_percent, 100) < 80 && model.sites.length)
		words.push('Only ' + +num(q.symbols_percent).toFixed(1) + ' % of the frames have names: install debug symbols for the modules shown as address.');
	const cut = 100 - num(q.stacks_complete_percent, 100);
	if (num(q.stacks) > 0 && cut > 5)
		words.push(+cut.toFixed(1) + ' % of the allocations have an incomplete stack.');
	host.hidden = !words.length;
	if (words.length)
		fill(host, el('strong', {}, 'Read with care. '), words.join(' '), ' ', el('a', {href: '#quality'}, 'Data quality'));
};

const incompleteCount = (q) => Object.values(HF.map(q.stacks_incomplete)).reduce((sum, n) => sum + num(n), 0);

function findingTitle(f, frames) {
	const own = f.user >= 0 ? frames[f.stack[f.user]] : null;
	if (own)
		return [el('span', {class: 'fn', title: own.label}, HF.clip(own.label, 160)), ' ', el('span', {class: 'src'}, HF.clip(HF.place(own), 160))];
	return [el('span', {class: 'fn'}, f.type ? 'type ' + f.type : f.component || 'no stack'), ' ', el('span', {class: 'src'}, 'allocated before attach, or not traced')];
}

function findingFigures(f) {
	const parts = [], about = f.estimated ? 'about ' : '';
	if (f.lost_count > 0)
		parts.push(about + HF.bytes(f.lost_bytes) + ' in ' + HF.some(f.lost_count, 'block') + ' lost');
	if (f.lost_count !== f.outstanding_count || f.lost_bytes !== f.outstanding_bytes)
		parts.push(about + HF.bytes(f.outstanding_bytes) + ' in ' + HF.some(f.outstanding_count, 'block') + ' held');
	if (f.outstanding_count > 1)
		parts.push(HF.bytes(f.outstanding_bytes / f.outstanding_count) + ' each');
	if (f.oldest_s > 0)
		parts.push('oldest ' + HF.duration(f.oldest_s));
	return parts.join(' · ');
}

function findingBody(f, frames) {
	const extra = [['Type', f.type], ['Held by', f.held_by], ['Component', f.component], ['Allocator', f.allocator], ['Id', f.id]].filter((pair) => pair[1]);
	return el('div', {class: 'finding-body'},
		f.evidence.length > 0 && el('div', {}, el('h4', {}, 'Evidence'), el('ul', {class: 'evidence'}, f.evidence.map((e) => el('li', {}, e)))),
		f.stack.length > 0 && el('div', {}, el('h4', {}, 'Stack'), HF.stackList(f, frames)),
		extra.length > 0 && el('dl', {class: 'pairs'}, extra.map(([k, v]) => [el('dt', {}, k), el('dd', {}, v)])));
}

function findingItem(f, model, onfocus, several) {
	const frames = model.table.frames;
	const comm = several ? (model.processes.find((p) => p.pid === f.pid) || {comm: ''}).comm : '';
	return el('li', {class: 'finding'},
		el('div', {class: 'finding-head'}, el('div', {class: 'finding-rate'}, HF.rate(f.growth), el('span', {class: 'soft'}, HF.spread(f.growth, f.growthInterval))),
			el('div', {class: 'finding-what'},
				el('p', {class: 'finding-title'}, HF.badge(f.state), ' ', findingTitle(f, frames)),
				el('p', {class: 'soft'}, findingFigures(f), f.confidence !== null && ' · confidence ' + f.confidence.toFixed(2), several && ' · pid ' + f.pid + ' ' + comm),
				f.recommendation && el('p', {class: 'advice'}, f.recommendation)),
			f.stack.length > 0 && HF.button('In flamegraph', () => onfocus(f), {class: 'focus', title: 'Show this stack in the flamegraph'})),
		el('details', {}, el('summary', {}, 'Evidence and stack'), findingBody(f, frames)));
}

/* Worst first, as the report has them; 25 at once. */
HF.showFindings = function (host, model, onfocus) {
	const several = model.processes.length > 1;
	const counts = new Map();
	for (const s of model.sites)
		counts.set(s.state, (counts.get(s.state) || 0) + 1);
	const rest = [...counts].filter(([state]) => (STATES[state] || [''])[0] === 'good' || state === 'warming').map(([state, n]) => HF.count(n) + ' ' + state);
	const listing = el('ol', {class: 'findings'});
	const more = HF.more(model.findings, 25, (next) => fill(listing, next.map((f) => findingItem(f, model, onfocus, several))));
	fill(host, !model.findings.length && el('p', {class: 'empty'}, (STATES[model.verdict.state] || [''])[0] === 'good' ? 'None: nothing grows, nothing is lost.' : 'None.'), listing, more,
		rest.length > 0 && el('p', {class: 'note'}, 'Not leaks: ' + rest.join(', ') + ' sites.'));
};

HF.showQuality = function (host, model) {
	const q = model.quality, c = model.capture;
	const events = num(q.events), lost = num(q.lost_events), stacks = num(q.stacks), incomplete = incompleteCount(q);
	const reasons = (value, whole) => Object.entries(HF.map(value)).slice(0, 50).filter(([, n]) => num(n) > 0).map(([reason, n]) => el('li', {}, text(reason, 80).replace(/_/g, ' ') + ': ' + HF.count(num(n)) + ' (' + HF.percent(num(n), whole) + ')'));
	const row = (name, value, bad, detail) => el('tr', {class: bad ? 'bad' : null}, el('th', {scope: 'row'}, name), el('td', {}, bad && el('span', {class: 'badge bad'}, '▲ check'), ' ', value, detail && detail.length > 0 && el('ul', {}, detail)));
	const symbols = num(q.symbols_percent, null), complete = num(q.stacks_complete_percent, null);
	fill(host, el('table', {class: 'quality'}, el('tbody', {},
		row('Events', HF.count(events)),
		row('Lost events', HF.count(lost) + ' (' + HF.percent(lost, events + lost) + ')', lost > 0, reasons(q.lost_by_reason, events + lost)),
		row('Stacks', HF.count(stacks)),
		row('Allocations with a complete stack', complete === null ? 'not known' : Math.floor(complete * 10) / 10 + ' %', complete !== null && complete < 95),
		row('Incomplete stacks', HF.count(incomplete) + ' (' + HF.percent(incomplete, stacks) + ')', false, reasons(q.stacks_incomplete, stacks)),
		row('Frees without an allocation', HF.count(num(q.unmatched_frees)) + ' (blocks from before attach or during it, or lost events)'),
		row('Frames with a name', symbols === null ? 'not known' : +symbols.toFixed(1) + ' %', symbols !== null && symbols < 80 && model.sites.length > 0),
		num(c.windows) > 0 && row('Windows', HF.count(c.windows) + ', tracing ' + +num(c.duty).toPrecision(3) + ' of the time'),
		num(c.scans) > 0 && row('Scans', HF.count(c.scans) + ', longest stop ' + +num(c.stop_ms_max).toPrecision(3) + ' ms'),
		HF.list(c.plan).length > 0 && row('Plan', '', false, HF.list(c.plan).slice(0, 20).map((line) => el('li', {}, text(line)))))),
	HF.list(q.notes).length > 0 && [el('h3', {}, 'Notes'), el('ul', {class: 'notes'}, HF.list(q.notes).slice(0, 200).map((n) => el('li', {}, text(n))))]);
};
})(window.HF = window.HF || {});
