// SPDX-License-Identifier: GPL-2.0-or-later
// Puts the page together, once the document stands.
(function (HF) {
'use strict';

const {num, text, fill} = HF;
const LINES = [
	{field: 'rss_bytes', label: 'RSS', on: true}, {field: 'pss_bytes', label: 'PSS', on: false}, {field: 'uss_bytes', label: 'USS', on: false},
	{field: 'heap_live_bytes', label: 'Heap live', on: true}, {field: 'heap_free_bytes', label: 'Heap free', on: false}, {field: 'swap_bytes', label: 'Swap', on: false},
];

function showMemory(host, model) {
	if (model.series.length < 1) {
		fill(host, HF.el('p', {class: 'empty'}, 'No readings in this report.'));
		return;
	}
	new HF.Chart(host, model.series, LINES, {limit: num(model.memory.limit_bytes), start: Date.parse(model.capture.started_at)});
}

/* Dark or light: the system's choice until the button is pressed; paper is light, and shows the stacks of the findings. */
function themeSwitch(panel) {
	const system = matchMedia('(prefers-color-scheme: dark)');
	const button = HF.byId('theme');
	let chosen = null;
	const apply = (dark) => {
		document.documentElement.dataset.theme = dark ? 'dark' : 'light';
		button.textContent = dark ? 'Light' : 'Dark';
		if (panel)
			panel.setTheme(dark);
	};
	const current = () => chosen === null ? system.matches : chosen;
	button.addEventListener('click', () => apply(chosen = !current()));
	system.addEventListener('change', () => apply(current()));
	window.addEventListener('beforeprint', () => {
		document.querySelectorAll('.finding details').forEach((d) => { d.open = true; });
		apply(false);
	});
	window.addEventListener('afterprint', () => apply(current()));
	apply(current());
}

function pageKeys(panel) {
	document.addEventListener('keydown', (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName))
			return;
		if (e.key === '/') {
			e.preventDefault();
			panel.search.focus();
		} else if (e.key === 'n' || e.key === 'N')
			panel.step(e.key === 'n' ? 1 : -1);
	});
}

function show(model) {
	HF.showTarget(HF.byId('target'), model);
	HF.showBanner(HF.byId('banner'), model);
	HF.showVerdict(HF.byId('verdict'), model);
	let table;
	const panel = new HF.FlamePanel(HF.byId('flame-body'), model, {onfilter: (name) => table.setFilter(name)});
	const focus = (item) => panel.focusStack(item);
	HF.showFindings(HF.byId('findings-body'), model, focus);
	showMemory(HF.byId('memory-body'), model);
	HF.showTypes(HF.byId('types'), HF.byId('types-body'), model);
	table = new HF.SiteTable(HF.byId('sites-body'), model, {onfocus: focus});
	HF.showQuality(HF.byId('quality-body'), model);
	HF.byId('page').hidden = false;
	themeSwitch(panel);
	pageKeys(panel);
	HF.page = {model, panel, table};
}

document.addEventListener('DOMContentLoaded', async () => {
	const status = HF.byId('status');
	try {
		show(await HF.loadReport(HF.byId('hf-report')));
		status.remove();
	} catch (e) {
		console.error(e);
		status.className = 'status failed';
		status.textContent = 'The report cannot be shown. ' + text(e.message);
		document.documentElement.dataset.failed = 'true';
	}
	document.documentElement.dataset.ready = 'true';
});
})(window.HF = window.HF || {});
