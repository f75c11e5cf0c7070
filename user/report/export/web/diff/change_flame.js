// SPDX-License-Identifier: GPL-2.0-or-later
// What a diff's flamegraph shows. A box is as wide as its sites' larger rates together, so that what is gone is still there; red grew, blue shrank.
(function (HF) {
'use strict';

const {el} = HF;
/* hsl: hue of either direction; saturation and lightness from no change to all of it. Text stays readable on each. */
const HUES = {rise: 6, fall: 214};
const COLOURS = {light: {plain: '#d9dee5', saturation: [45, 88], light: [90, 68]}, dark: {plain: '#3a424d', saturation: [18, 62], light: [27, 39]}};
const METRICS = [
	{id: 'larger', label: 'By size', format: (v) => HF.perMinute(v), help: 'Width: the larger of A’s and B’s rate, added up over the sites'},
	{id: 'moved', label: 'By change', format: (v) => HF.perMinute(v), help: 'Width: how much the rates of the sites changed, up or down; what is the same vanishes'},
];
const LEGEND = [[-1, 'gone'], [-0.5, 'half'], [0, 'the same'], [0.5, 'double'], [1, 'new']];

const signOf = (share) => share > 0 ? '+' : share < 0 ? '−' : '=';

function changeColour(share, dark) {
	const theme = dark ? COLOURS.dark : COLOURS.light, part = Math.abs(share);
	if (!part)
		return theme.plain;
	const mix = ([from, to]) => (from + (to - from) * part).toFixed(0) + '%';
	return 'hsl(' + (share > 0 ? HUES.rise : HUES.fall) + ' ' + mix(theme.saturation) + ' ' + mix(theme.light) + ')';
}

HF.ChangeFlame = class {
	constructor(model) {
		this.model = model;
		/* a box takes its place in the source from the first of its rows: B's where it has any */
		this.rows = model.entries.filter((e) => e.ofB).concat(model.entries.filter((e) => !e.ofB));
		this.metrics = METRICS;
		this.legendLabel = 'Colours by change';
	}

	weighed({tree}) {
		if (this.tree === tree)
			return;
		this.tree = tree;
		this.a = tree.sums((row) => row.aRate).total;
		this.b = tree.sums((row) => row.bRate).total;
	}

	share(n) {
		return HF.changeShare(this.model, this.a[n], this.b[n]);
	}

	painter(panel, dark) {
		return (n) => changeColour(this.share(n), dark);
	}

	sign(panel, n) {
		return signOf(this.share(n)) + ' ';
	}

	emptyReason() {
		if (!this.model.entries.length)
			return 'No sites in either report.';
		return this.model.a.seconds > 0 || this.model.b.seconds > 0 ? 'Nothing is held in either report.' : 'Without durations there are no rates to draw.';
	}

	remark({metric}) {
		return metric.help + '. Colour: how the rate of a box changed, with all below it.';
	}

	total() {
		return this.changeText(this.a[0], this.b[0]);
	}

	value(panel, n) {
		return 'A ' + HF.perMinute(this.a[n]) + ', B ' + HF.perMinute(this.b[n]) + ', ' + this.changeText(this.a[n], this.b[n]);
	}

	changeText(a, b) {
		return HF.changeRate(b - a) + (b !== a ? ' (' + HF.relative(a, b) + ')' : '');
	}

	tip(panel, n) {
		return ['A ' + HF.perMinute(this.a[n]) + ' → B ' + HF.perMinute(this.b[n]), this.changeText(this.a[n], this.b[n])];
	}

	figures({tree}, n, f) {
		const everywhere = f && tree.sumTopmost((key) => key === f.key);
		const sum = (rates) => everywhere.nodes.reduce((all, node) => all + rates[node], 0);
		return [['A', HF.perMinute(this.a[n])], ['B', HF.perMinute(this.b[n])], ['Change', this.changeText(this.a[n], this.b[n])],
			['Everywhere', everywhere && everywhere.count > 1 && this.changeText(sum(this.a), sum(this.b)) + ' in ' + HF.count(everywhere.count) + ' boxes; recursion counted once']];
	}

	/* Lines are B's where B has any. */
	sourceRows(rows) {
		const ofB = rows.filter((row) => row.ofB);
		return ofB.length ? ofB : rows;
	}

	legend(panel) {
		return LEGEND.map(([share, word]) => {
			const swatch = el('span', {class: 'swatch'});
			swatch.style.background = changeColour(share, panel.flame.dark);
			return el('li', {}, swatch, signOf(share) + ' ' + word);
		});
	}
};
})(window.HF = window.HF || {});
