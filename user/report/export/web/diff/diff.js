// SPDX-License-Identifier: GPL-2.0-or-later
// Puts a diff's page together.
(function (HF) {
'use strict';

const {el, fill} = HF;
const TONES = {'1': ['rise', '+', 'grew'], '-1': ['fall', '−', 'shrank'], '0': ['level', '=', 'the same']};

function sideCard(name, side) {
	const facts = [side.build && el('span', {title: side.build}, 'build ', el('code', {}, side.build.slice(0, 12) + (side.build.length > 12 ? '…' : ''))),
		side.started && HF.when(side.started), side.seconds > 0 ? 'watched ' + HF.duration(side.seconds) : 'no duration, so no rates'];
	return el('section', {class: 'side', 'aria-label': 'Report ' + name},
		el('p', {}, el('b', {class: 'side-name'}, name), ' ', el('span', {class: 'fn'}, side.comm), el('span', {class: 'soft'}, ' pid ' + side.pid), ' ', side.state && HF.badge(side.state)),
		el('p', {class: 'facts'}, facts.filter(Boolean).map((fact) => el('span', {}, fact))));
}

function showChange(host, model) {
	const sum = (field) => model.entries.reduce((all, e) => all + e[field], 0);
	const share = HF.changeShare(model, sum('aRate') + model.leftOut.aRate, sum('bRate') + model.leftOut.bRate);
	const [tone, mark, word] = TONES[Math.sign(share)];
	const fact = (name, value, help) => el('div', {class: 'fact', title: help}, el('dt', {}, name), el('dd', {}, value));
	host.className = 'verdict ' + tone;
	fill(host, el('div', {class: 'verdict-main'},
		el('p', {class: 'state'}, el('span', {class: 'mark', 'aria-hidden': 'true'}, mark), el('span', {class: 'sr'}, 'Change: '), word),
		el('p', {class: 'growth'}, HF.changeRate(model.total)),
		el('p', {class: 'meaning'}, 'Bytes held per minute of capture, B’s less A’s; sites are matched by function and module.')),
	el('dl', {class: 'verdict-facts'}, fact('Rises', HF.changeRate(model.rises), 'Sum of what grew: what --fail-above looks at'),
		fact('Sites', el('span', {class: 'kinds'}, model.counts.map(([kind, n]) => HF.kindBadge(kind, HF.count(n) + ' ' + kind))), 'By kind of change')));
}

/* What did not fit the page is told in numbers. */
function showLeftOut(host, model) {
	const {sites, aRate, bRate} = model.leftOut;
	host.hidden = !(sites > 0);
	if (sites > 0)
		fill(host, el('strong', {}, 'Not all fits. '), 'The page has the ' + HF.count(model.entries.length) + ' sites that changed most; the ' + HF.count(sites) + ' others hold ' + HF.perMinute(aRate) + ' in A and ' + HF.perMinute(bRate) + ' in B. --json writes all.');
}

HF.show = function (data) {
	const model = HF.readDiff(data);
	const names = model.a.comm === model.b.comm ? model.a.comm : model.a.comm + ' → ' + model.b.comm;
	document.title = names + ' · ' + HF.changeRate(model.total) + ' · holdfast diff';
	fill(HF.byId('target'), el('h1', {}, names, el('span', {class: 'soft'}, ' what changed from A to B')), el('div', {class: 'both-sides'}, sideCard('A', model.a), sideCard('B', model.b)));
	showLeftOut(HF.byId('banner'), model);
	showChange(HF.byId('verdict'), model);
	HF.byId('types').hidden = HF.byId('types-link').hidden = !model.types.length;
	if (model.types.length)
		HF.showTypeChanges(HF.byId('types-body'), model);
	let table;
	const panel = new HF.FlamePanel(HF.byId('flame-body'), model, new HF.ChangeFlame(model), {onfilter: (name) => table.setFilter(name)});
	table = HF.changeTable(HF.byId('sites-body'), model, (entry) => panel.focusStack(entry));
	HF.page = {model, panel, table};
	return panel;
};
})(window.HF = window.HF || {});
