// SPDX-License-Identifier: GPL-2.0-or-later
// Puts a report's page together.
(function (HF) {
'use strict';

const {num, fill} = HF;
const LINES = [
	{field: 'rss_bytes', label: 'RSS', on: true}, {field: 'pss_bytes', label: 'PSS', on: false}, {field: 'uss_bytes', label: 'USS', on: false},
	{field: 'heap_used_bytes', label: 'Heap in use', on: true}, {field: 'heap_live_bytes', label: 'Held since attach', on: true}, {field: 'heap_free_bytes', label: 'Heap free', on: false}, {field: 'swap_bytes', label: 'Swap', on: false},
];

function showMemory(host, model) {
	if (model.series.length < 1) {
		fill(host, HF.el('p', {class: 'empty'}, 'No readings in this report.'));
		return;
	}
	const lines = LINES.map((line) => line.field === 'heap_live_bytes' && model.memory.heap_live_estimated === true ? {...line, label: line.label + ' (estimated)', on: false} : line);
	new HF.Chart(host, model.series, lines, {limit: num(model.memory.limit_bytes), start: Date.parse(model.capture.started_at)});
}

/* A section that has nothing to show is not there, nor is the way to it. */
function showIf(some, id, show) {
	HF.byId(id).hidden = HF.byId(id + '-link').hidden = !some;
	if (some)
		show(HF.byId(id + '-body'));
}

HF.show = function (data) {
	const model = HF.readReport(data);
	HF.showTarget(HF.byId('target'), model);
	HF.showBanner(HF.byId('banner'), model);
	HF.showVerdict(HF.byId('verdict'), model);
	let table;
	const panel = new HF.FlamePanel(HF.byId('flame-body'), model, new HF.SiteFlame(model), {onfilter: (name) => table.setFilter(name)});
	const focus = (item) => panel.focusStack(item);
	HF.showFindings(HF.byId('findings-body'), model, focus);
	showMemory(HF.byId('memory-body'), model);
	showIf(model.census.length, 'types', (host) => HF.showTypes(host, model));
	showIf(model.python.length, 'python', (host) => HF.showPython(host, model));
	table = HF.siteTable(HF.byId('sites-body'), model, focus);
	HF.showQuality(HF.byId('quality-body'), model);
	HF.page = {model, panel, table};
	return panel;
};
})(window.HF = window.HF || {});
