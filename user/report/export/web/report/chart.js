// SPDX-License-Identifier: GPL-2.0-or-later
// Lines over time as SVG, with a cursor for mouse and keys, and the same figures as a table.
(function (HF) {
'use strict';

const {el, svg, fill} = HF;
const LEFT = 74, RIGHT = 14, TOP = 12, BOTTOM = 30, HEIGHT = 260;
const TABLE_ROWS = 200;

/* Round steps: 1, 2, 4 … of a binary unit for bytes; seconds, minutes, hours for time. */
function byteTicks(lo, hi) {
	let step = 2 ** Math.ceil(Math.log2(Math.max(1, (hi - lo) / 5)));
	if ((hi - lo) / step < 3)
		step /= 2;
	const ticks = [];
	for (let v = Math.ceil(lo / step) * step; v <= hi && ticks.length < 20; v += step)
		ticks.push(v);
	return ticks;
}

function timeTicks(lo, hi, count) {
	const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
	let step = steps.find((s) => (hi - lo) / s <= count);
	if (!step)
		step = Math.ceil((hi - lo) / count / 86400) * 86400;
	const ticks = [];
	for (let v = Math.ceil(lo / step) * step; v <= hi + step / 1e6 && ticks.length < 30; v += step)
		ticks.push(v);
	return ticks;
}

/* Round steps: 1, 2 or 5 of a power of ten. */
function plainTicks(lo, hi) {
	const power = 10 ** Math.floor(Math.log10(Math.max(1e-9, (hi - lo) / 5)));
	const step = power * [1, 2, 5, 10].find((s) => (hi - lo) / (s * power) <= 6), ticks = [];
	for (let v = Math.ceil(lo / step) * step; v <= hi && ticks.length < 20; v += step)
		ticks.push(v);
	return ticks;
}

HF.byteTicks = byteTicks;

const plain = (v) => String(+v.toPrecision(3));
const signed = (show) => (v) => (v > 0 ? '+' : '') + show(v);

/* How a chart's figures are shown: ticks of an axis, a figure, a change; least: a range that is not cut any finer; fromZero: the axis begins there. */
const BYTES = {ticks: byteTicks, show: HF.bytes, change: HF.change, least: 1};
const plainUnit = (show) => ({ticks: plainTicks, show, change: signed(show), least: 1e-6, fromZero: true});
HF.PERCENT = plainUnit((v) => plain(v) + ' %');
HF.PER_SECOND = plainUnit((v) => plain(v) + '/s');

HF.Chart = class {
	/*
	 * lines: [{field, label, on}]; points: [{time, …}] sorted by time; options: limit (0: none), start as milliseconds or NaN, about:
	 * what it shows, unit (bytes).
	 */
	constructor(host, points, lines, options) {
		this.points = points;
		this.limit = options.limit;
		this.start = options.start;
		this.about = options.about || 'Memory';
		this.unit = options.unit || BYTES;
		this.lines = lines.filter((line) => points.some((p) => p[line.field] > 0));
		this.change = this.flat();
		this.at = -1;
		this.build(host);
		new ResizeObserver(() => this.draw()).observe(this.frame);
	}

	build(host) {
		this.buttons = this.lines.map((line, i) => HF.button([el('span', {class: 'swatch'}), line.label], (e) => {
			line.on = !line.on;
			e.currentTarget.setAttribute('aria-pressed', String(line.on));
			this.draw();
		}, {class: 'key line' + i, 'aria-pressed': String(Boolean(line.on))}));
		const change = HF.button('Change since start', (e) => {
			this.change = !this.change;
			e.currentTarget.setAttribute('aria-pressed', String(this.change));
			this.draw();
		}, {'aria-pressed': String(this.change), title: 'Each line from its own first reading'});
		this.readout = el('p', {class: 'readout', 'aria-hidden': 'true'});
		this.frame = el('div', {class: 'chart', tabindex: 0, role: 'slider', 'aria-label': this.about + ' over time; arrow keys move the cursor',
			onkeydown: (e) => this.key(e), onpointermove: (e) => this.point(e), onpointerleave: () => this.cursor(-1)});
		this.note = el('span', {class: 'soft'});
		const table = el('details', {ontoggle: (e) => e.target.open && this.fillTable(e.target)}, el('summary', {}, 'As a table'));
		fill(host, el('div', {class: 'toolbar'}, el('div', {class: 'keys-row'}, this.buttons), this.unit === BYTES && change, this.note), this.frame, this.readout, table);
	}

	/* Would the lines look flat beside each other, each moving by less than a fifth of the common range? */
	flat() {
		const ends = this.lines.filter((line) => line.on).map((line) => this.points.map((p) => p[line.field]).filter(Number.isFinite))
			.map((v) => [v.reduce((a, b) => Math.min(a, b)), v.reduce((a, b) => Math.max(a, b))]);
		const lo = Math.min(...ends.map((e) => e[0])), hi = Math.max(...ends.map((e) => e[1]));
		return ends.length > 1 && ends.every((e) => e[1] - e[0] < (hi - lo) / 5);
	}

	/* A reading as it is drawn; NaN where there is none. */
	value(p, line) {
		if (line.base === undefined)
			line.base = this.points.find((q) => Number.isFinite(q[line.field]))[line.field];
		return Number.isFinite(p[line.field]) ? p[line.field] - (this.change ? line.base : 0) : NaN;
	}

	/* Picks the range; a range that does not begin at zero is said in words. */
	scale() {
		const shown = this.lines.filter((line) => line.on);
		let lo = Infinity, hi = -Infinity;
		for (const p of this.points)
			for (const line of shown)
				if (Number.isFinite(p[line.field])) {
					lo = Math.min(lo, this.value(p, line));
					hi = Math.max(hi, this.value(p, line));
				}
		if (!(hi >= lo))
			lo = hi = 0;
		if (!this.change && this.limit > 0 && this.limit < 1.3 * hi)
			hi = Math.max(hi, this.limit);
		const room = Math.max((hi - lo) * 0.08, hi * 0.002, this.unit.least);
		lo = this.change ? lo - room : lo < 0.5 * hi || this.unit.fromZero ? 0 : lo - room;
		hi += room;
		this.note.textContent = lo > 0 ? 'Axis begins at ' + this.unit.show(lo) : '';
		const t0 = this.points[0].time, t1 = this.points[this.points.length - 1].time;
		const width = this.width - LEFT - RIGHT, height = HEIGHT - TOP - BOTTOM;
		this.x = (t) => LEFT + (t1 > t0 ? (t - t0) / (t1 - t0) : 0.5) * width;
		this.y = (v) => TOP + height - (v - lo) / (hi - lo) * height;
		return {lo, hi, t0, t1, shown};
	}

	draw() {
		const width = this.frame.clientWidth;
		if (!width)
			return;
		this.width = width;
		const {lo, hi, t0, t1, shown} = this.scale();
		const picture = svg('svg', {width, height: HEIGHT, 'aria-hidden': 'true'});
		for (const v of this.unit.ticks(lo, hi))
			fill(picture, svg('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: this.y(v), y2: this.y(v)}),
				svg('text', {x: LEFT - 8, y: this.y(v) + 4, 'text-anchor': 'end'}, this.change ? this.unit.change(v) : this.unit.show(v)));
		for (const t of timeTicks(t0, t1, Math.max(2, Math.floor(width / 110))))
			fill(picture, svg('line', {class: 'tick', x1: this.x(t), x2: this.x(t), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5}),
				svg('text', {x: this.x(t), y: HEIGHT - 9, 'text-anchor': this.x(t) > width - 40 ? 'end' : 'middle'}, t === 0 ? 'start' : HF.duration(t)));
		fill(picture, svg('line', {class: 'axis', x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM}));
		if (!this.change && this.limit > 0 && this.limit <= hi)
			fill(picture, svg('line', {class: 'limit', x1: LEFT, x2: width - RIGHT, y1: this.y(this.limit), y2: this.y(this.limit)}),
				svg('text', {class: 'limit-text', x: width - RIGHT, y: this.y(this.limit) - 5, 'text-anchor': 'end'}, 'limit ' + this.unit.show(this.limit)));
		for (const line of shown)
			fill(picture, this.path(line));
		this.mark = svg('g', {});
		fill(picture, this.mark);
		this.frame.replaceChildren(picture);
		this.cursor(this.at);
	}

	path(line) {
		const i = this.lines.indexOf(line);
		const points = this.points.filter((p) => Number.isFinite(p[line.field]));
		if (points.length === 1)
			return svg('circle', {class: 'dot line' + i, cx: this.x(points[0].time), cy: this.y(this.value(points[0], line)), r: 3});
		const d = points.map((p, n) => (n ? 'L' : 'M') + this.x(p.time).toFixed(1) + ' ' + this.y(this.value(p, line)).toFixed(1)).join('');
		return svg('path', {class: 'curve line' + i, d});
	}

	/* Moves the cursor to a point of the series; -1 shows the last one's figures without a cursor. */
	cursor(at) {
		this.at = at;
		const p = this.points[at < 0 ? this.points.length - 1 : at];
		const shown = this.lines.filter((line) => line.on && Number.isFinite(p[line.field]));
		this.readout.textContent = (at < 0 ? 'At the end' : 'At ' + HF.duration(p.time)) + this.clock(p.time) + ': ' + (shown.map((line) => line.label + ' ' + this.unit.show(p[line.field]) + (this.change ? ' (' + this.unit.change(this.value(p, line)) + ')' : '')).join(' · ') || 'no reading');
		HF.set(this.frame, {'aria-valuemin': 0, 'aria-valuemax': this.points.length - 1, 'aria-valuenow': at < 0 ? this.points.length - 1 : at, 'aria-valuetext': this.readout.textContent});
		if (!this.mark)
			return;
		this.mark.replaceChildren();
		if (at < 0)
			return;
		fill(this.mark, svg('line', {class: 'cursor', x1: this.x(p.time), x2: this.x(p.time), y1: TOP, y2: HEIGHT - BOTTOM}),
			shown.map((line) => svg('circle', {class: 'dot line' + this.lines.indexOf(line), cx: this.x(p.time), cy: this.y(this.value(p, line)), r: 3.5})));
	}

	clock(time) {
		const date = new Date(this.start + time * 1000);
		return Number.isFinite(date.getTime()) ? ' (' + date.toISOString().slice(11, 19) + ' UTC)' : '';
	}

	point(event) {
		if (!this.x)
			return;
		const x = event.clientX - this.frame.getBoundingClientRect().left;
		let lo = 0, hi = this.points.length - 1;
		while (hi - lo > 1) {
			const mid = (lo + hi) >> 1;
			if (this.x(this.points[mid].time) < x)
				lo = mid;
			else
				hi = mid;
		}
		this.cursor(x - this.x(this.points[lo].time) < this.x(this.points[hi].time) - x ? lo : hi);
	}

	key(event) {
		const last = this.points.length - 1, page = Math.max(1, Math.round(last / 10));
		const from = this.at < 0 ? last : this.at;
		const moves = {ArrowLeft: from - 1, ArrowRight: from + 1, ArrowDown: from - 1, ArrowUp: from + 1, PageDown: from - page, PageUp: from + page, Home: 0, End: last};
		if (event.key === 'Escape')
			this.cursor(-1);
		else if (event.key in moves) {
			event.preventDefault();
			this.cursor(Math.max(0, Math.min(last, moves[event.key])));
		}
	}

	fillTable(details) {
		if (details.children.length > 1)
			return;
		const step = Math.ceil(this.points.length / TABLE_ROWS);
		const rows = this.points.filter((p, i) => i % step === 0 || i === this.points.length - 1);
		fill(details, el('div', {class: 'scroll'}, el('table', {}, el('caption', {}, step > 1 ? 'Every ' + step + 'th reading' : 'All readings'),
			el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'Time'), this.lines.map((line) => el('th', {scope: 'col', class: 'num'}, line.label)))),
			el('tbody', {}, rows.map((p) => el('tr', {}, el('th', {scope: 'row'}, HF.duration(p.time)), this.lines.map((line) => el('td', {class: 'num'}, Number.isFinite(p[line.field]) ? this.unit.show(p[line.field]) : '–'))))))));
	}
};
})(window.HF = window.HF || {});
