// SPDX-License-Identifier: GPL-2.0-or-later
// What a report's flamegraph shows, coloured by module.
(function (HF) {
'use strict';

const {button, el} = HF;
const COLOURS = {light: {saturation: 48, light: 81, step: 4, plain: '#d9dee5'}, dark: {saturation: 30, light: 32, step: 4, plain: '#343b45'}};
const blocks = (n) => HF.some(n, 'block');
const METRICS = [
	{id: 'outstanding_bytes', label: 'Held bytes', format: HF.bytes, help: 'Allocated while watched, not freed yet'},
	{id: 'outstanding_count', label: 'Held blocks', format: blocks, help: 'Blocks allocated while watched, not freed yet'},
	{id: 'growth', label: 'Growth', format: HF.rate, help: 'How fast held bytes grow'},
	{id: 'alloc_bytes', label: 'Allocated', format: HF.bytes, help: 'All bytes ever allocated while watched, freed or not'},
	{id: 'temporary_count', label: 'Temporary', format: blocks, help: 'Blocks freed before the thread allocated again'},
	{id: 'faults', label: 'Page faults', format: (n) => HF.some(n, 'fault'), help: 'Who makes RSS grow: first touches of pages, by stack'},
];

/* The same module has the same colour in every report. */
function moduleColour(module, dark) {
	const theme = dark ? COLOURS.dark : COLOURS.light;
	if (!module)
		return theme.plain;
	const h = HF.hash(module);
	return 'hsl(' + h % 36 * 10 + ' ' + theme.saturation + '% ' + (theme.light + ((h >>> 8) % 3 - 1) * theme.step) + '%)';
}

/* Every site, the findings that belong to none (they weigh in growth only), page faults. A metric a row lacks counts 0. */
function rowsOf(model) {
	const rows = model.sites.slice();
	for (const f of model.findings) {
		if (f.site)
			continue;
		const stack = f.stack.length || !f.type ? f.stack : [model.table.synthetic('type ' + f.type)];
		rows.push({pid: f.pid, stack, growth: f.growth, finding: f});
	}
	return rows.concat(model.faults);
}

HF.SiteFlame = class {
	constructor(model) {
		this.model = model;
		this.rows = rowsOf(model);
		this.metrics = METRICS;
		this.legendLabel = 'Colours by module';
	}

	painter(panel, dark) {
		const colours = this.model.table.functions.map((f) => moduleColour(f.kind === 'synthetic' ? '' : f.module || f.kind, dark));
		return (n) => n ? colours[panel.tree.key[n]] : moduleColour('', dark);
	}

	sign() {
		return '';
	}

	weighed() {}

	emptyReason() {
		if (!this.model.sites.length)
			return 'No stacks in this report: ' + (this.model.capture.mode === 'scan' ? 'it was made by a scan, without tracing.' : 'no allocation was seen.');
		return 'Nothing to draw for this process and metric.';
	}

	remark(panel) {
		const parts = [];
		if (panel.metric.id === 'growth') {
			const shrinking = panel.tree.rows.filter((row) => row.growth < 0).length;
			if (shrinking)
				parts.push(HF.count(shrinking) + ' shrinking sites are not drawn.');
			if (!this.model.sites.some((s) => s.ownGrowth))
				parts.push('Only sites that are findings have a rate.');
		}
		if (this.model.sites.some((s) => s.estimated))
			parts.push('Estimated from samples; the table gives the intervals.');
		return parts.join(' ');
	}

	total({tree, metric}) {
		return metric.format(tree.total[0]);
	}

	value({tree, metric}, n) {
		return metric.format(tree.total[n]) + ' (' + HF.percent(tree.total[n], tree.total[0]) + ')';
	}

	tip(panel, n) {
		return [this.value(panel, n) + (panel.tree.self[n] > 0 ? ' · self ' + panel.metric.format(panel.tree.self[n]) : '')];
	}

	figures(panel, n, f) {
		const {tree, metric} = panel, zoomed = panel.flame.zoomed;
		const everywhere = f && tree.sumTopmost((key) => key === f.key, 1);
		return [['Total', this.value(panel, n)],
			['Of the zoomed', zoomed > 0 && n !== zoomed && tree.within(n, zoomed) && HF.percent(tree.total[n], tree.total[zoomed])],
			['Self', metric.format(tree.self[n]) + ' (' + HF.percent(tree.self[n], tree.total[0]) + ')'],
			['Everywhere', everywhere && everywhere.count > 1 && metric.format(everywhere.total) + ' (' + HF.percent(everywhere.total, tree.total[0]) + ') in ' + HF.count(everywhere.count) + ' boxes; recursion counted once']];
	}

	sourceRows(rows) {
		return rows;
	}

	/* The modules whose functions allocate most themselves; a click searches for one. */
	legend(panel) {
		const {tree} = panel, sums = new Map();
		for (let n = 1; n < tree.count; n++) {
			const f = this.model.table.functions[tree.key[n]];
			if (tree.self[n] > 0 && f.module)
				sums.set(f.module, (sums.get(f.module) || 0) + tree.self[n]);
		}
		const top = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 8);
		return top.map(([module]) => {
			const swatch = el('span', {class: 'swatch'});
			swatch.style.background = moduleColour(module, panel.flame.dark);
			return el('li', {}, button([swatch, HF.basename(module)], () => {
				panel.search.value = module;
				panel.find();
			}, {class: 'crumb', title: 'Search ' + module}));
		});
	}
};
})(window.HF = window.HF || {});
