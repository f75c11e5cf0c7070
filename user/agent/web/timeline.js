// SPDX-License-Identifier: GPL-2.0-or-later
// Memory over time, drawn by dygraphs: zoom by dragging, pan with Shift, all of it by keys; thresholds as lines; marks below it.
import {bytes, clock, exactBytes, isUtc, when} from './words.js';

const {HF, Dygraph} = window;
const {el} = HF;
const MARK_WIDTH = 26;
const MAX_RULES = 10; // more of them hide the lines
const SETTLE_MS = 300;

// Its legend writes style attributes as markup, which the policy forbids; the readout below the chart is ours.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin === Dygraph.Plugins.Axes || plugin === Dygraph.Plugins.Grid);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* Columns of an answer to rows of dygraphs, each value as [low, value, high]; a gap where nothing was read for long. */
function rowsOf(series, lines) {
	const {times, resolution} = series, rows = [];
	for (let i = 0; i < times.length; i++) {
		if (i && times[i] - times[i - 1] > 3 * resolution)
			rows.push([new Date((times[i - 1] + resolution) * 1000), ...lines.map(() => [NaN, NaN, NaN])]);
		rows.push([new Date(times[i] * 1000), ...lines.map((line) => {
			const v = line.values[i];
			return Number.isFinite(v) ? [line.low?.[i] ?? v, v, line.high?.[i] ?? v] : null;
		})]);
	}
	return rows;
}

function extent(lines) {
	let lo = Infinity, hi = -Infinity;
	for (const line of lines)
		for (let i = 0; i < line.values.length; i++)
			if (Number.isFinite(line.values[i])) {
				lo = Math.min(lo, line.low?.[i] ?? line.values[i]);
				hi = Math.max(hi, line.high?.[i] ?? line.values[i]);
			}
	return lo <= hi ? [lo, hi] : [0, 1];
}

/*
 * new Timeline(host, {onrange(from, to), onreset(), about}), then set() what is shown:
 * series {times, resolution}, lines [{label, tone (a CSS variable), values, low, high}], window [from, to] in unix seconds,
 * thresholds [{value, label, tone}], marks [{time, kind, label, tone, sign, open()}], fromZero.
 */
export class Timeline {
	constructor(host, options) {
		this.options = options;
		this.at = -1;
		this.settling = 0;
		this.next = null;
		this.host = host;
		this.build();
		this.unfollow = HF.theme.follow(() => this.restyle());
		this.observer = new ResizeObserver(() => this.resize());
		this.observer.observe(this.frame);
	}

	build() {
		this.plot = el('div', {class: 'plot'});
		this.frame = el('div', {class: 'timeline', tabindex: 0, role: 'slider', 'aria-label': this.options.about + ' over time', 'aria-describedby': 'timeline-keys', onkeydown: (e) => this.key(e), onblur: () => this.cursor(-1)}, this.plot);
		this.lane = el('div', {class: 'lane', role: 'toolbar', 'aria-label': 'Events and profiles on the time axis; arrow keys move between them', onkeydown: (e) => this.laneKey(e)});
		this.readout = el('p', {class: 'readout', 'aria-hidden': 'true'});
		this.host.replaceChildren(this.frame, this.lane, this.readout);
	}

	/* While the reader drags, what comes meanwhile waits. */
	set(shown) {
		if (this.settling) {
			this.next = shown;
			return;
		}
		this.shown = shown;
		this.rows = rowsOf(shown.series, shown.lines);
		this.at = Math.min(this.at, this.rows.length - 1);
		this.frame.setAttribute('aria-valuemin', '0');
		this.frame.setAttribute('aria-valuemax', String(Math.max(0, this.rows.length - 1)));
		this.frame.setAttribute('aria-valuenow', String(Math.max(0, this.at)));
		if (this.at < 0)
			this.frame.setAttribute('aria-valuetext', shown.summary || '');
		const options = {file: this.rows.length ? this.rows : [[new Date(shown.window[0] * 1000), ...shown.lines.map(() => null)]], labels: ['time', ...shown.lines.map((l) => l.label)], dateWindow: shown.window.map((t) => t * 1000), valueRange: this.range(), labelsUTC: isUtc(), ...this.colours()};
		this.quiet = true; // what is drawn now is not the reader's doing
		if (this.graph)
			this.graph.updateOptions(options);
		else
			this.create(options);
		this.quiet = false;
		this.placeMarks();
		this.say();
	}

	create({file, ...options}) {
		const interaction = {...Dygraph.defaultInteractionModel, dblclick: () => this.options.onreset()};
		this.graph = new Dygraph(this.plot, file, {
			...options, customBars: true, fillAlpha: 0.18, connectSeparatedPoints: true, legend: 'never', strokeWidth: 1.6, highlightCircleSize: 3, interactionModel: interaction, gridLineWidth: 0.5, rightGap: 10,
			axes: {y: {ticker: (a, b) => HF.byteTicks(a, b).map((v) => ({v, label: bytes(v)})), axisLabelWidth: 74}, x: {axisLabelWidth: 64, pixelsPerLabel: 80}},
			highlightCallback: (e, x, points, row) => this.point(row), unhighlightCallback: () => this.point(-1),
			underlayCallback: (context, area, graph) => this.underlay(context, area, graph), drawCallback: (graph) => this.drawn(graph),
		});
	}

	colours() {
		return {colors: this.shown.lines.map((line) => colour(line.tone)), gridLineColor: colour('--line'), axisLineColor: colour('--soft')};
	}

	restyle() {
		if (!this.graph || !this.shown)
			return;
		this.quiet = true;
		this.graph.updateOptions(this.colours());
		this.quiet = false;
	}

	resize() {
		if (!this.graph || this.width === this.plot.clientWidth)
			return;
		this.quiet = true;
		this.graph.resize();
		this.quiet = false;
		this.placeMarks();
	}

	/* What is shown, and the next threshold above it where it is near; those further off are told in words. */
	range() {
		const [lo, hi] = extent(this.shown.lines);
		const near = this.shown.thresholds.map((t) => t.value).filter((v) => v > hi && v < hi + Math.max(1.5 * (hi - lo), 0.25 * hi));
		const top = Math.max(hi, near.length ? Math.min(...near) : 0), bottom = this.shown.fromZero ? 0 : lo;
		const margin = Math.max((top - bottom) * 0.08, top * 0.005, 4096);
		return [this.shown.fromZero ? 0 : Math.max(0, bottom - margin), top + margin];
	}

	underlay(context, area, graph) {
		for (const threshold of this.shown.thresholds) {
			const y = graph.toDomYCoord(threshold.value);
			if (y < area.y || y > area.y + area.h)
				continue;
			context.save();
			context.strokeStyle = context.fillStyle = colour(threshold.tone);
			context.setLineDash([6, 4]);
			context.beginPath();
			context.moveTo(area.x, y);
			context.lineTo(area.x + area.w, y);
			context.stroke();
			context.font = '12px ' + getComputedStyle(this.frame).fontFamily;
			context.fillText(threshold.label, area.x + 8, y > area.y + 18 ? y - 5 : y + 14);
			context.restore();
		}
		const rules = this.shown.marks.filter((mark) => mark.rule).map((mark) => ({tone: mark.tone, x: graph.toDomXCoord(mark.time * 1000)})).filter(({x}) => x >= area.x && x <= area.x + area.w);
		for (const {tone, x} of rules.length > MAX_RULES ? [] : rules) {
			context.save();
			context.strokeStyle = colour(tone);
			context.globalAlpha = 0.6;
			context.setLineDash([2, 3]);
			context.beginPath();
			context.moveTo(x, area.y);
			context.lineTo(x, area.y + area.h);
			context.stroke();
			context.restore();
		}
	}

	/* Where the reader has dragged to, once it stays there. */
	drawn(graph) {
		this.width = this.plot.clientWidth;
		if (this.quiet)
			return;
		this.placeMarks();
		clearTimeout(this.settling);
		this.settling = setTimeout(() => {
			const [from, to] = graph.xAxisRange().map((ms) => ms / 1000), [a, b] = this.shown.window, moved = Math.abs(from - a) + Math.abs(to - b) > (b - a) / 500;
			if (moved)
				this.next = null;
			this.forget();
			if (moved)
				this.options.onrange(from, to);
		}, SETTLE_MS);
	}

	/* The reader has gone elsewhere since: what was dragged to does not count any more. */
	forget() {
		const next = this.next;
		clearTimeout(this.settling);
		this.settling = 0;
		this.next = null;
		if (next)
			this.set(next);
	}

	/* Marks that would lie upon each other are one. */
	placeMarks() {
		if (!this.graph)
			return;
		const [from, to] = this.graph.xAxisRange(), last = {}, groups = [];
		for (const mark of this.shown.marks.filter((x) => x.time * 1000 >= from && x.time * 1000 <= to).sort((a, b) => a.time - b.time)) {
			const x = this.graph.toDomXCoord(mark.time * 1000);
			if (!last[mark.kind] || x - last[mark.kind][0].x > MARK_WIDTH)
				groups.push(last[mark.kind] = []);
			last[mark.kind].push({...mark, x});
		}
		const focused = this.lane.contains(document.activeElement) ? [...this.lane.children].indexOf(document.activeElement) : -1;
		const buttons = groups.map((group) => this.markButton(group));
		this.lane.hidden = !buttons.length;
		this.lane.replaceChildren(...buttons);
		buttons.forEach((b, i) => { b.tabIndex = i === Math.max(0, focused) ? 0 : -1; });
		if (focused >= 0)
			buttons[Math.min(focused, buttons.length - 1)]?.focus();
	}

	markButton(group) {
		const worst = group.reduce((a, b) => (b.weight || 0) > (a.weight || 0) ? b : a);
		const words = group.slice(0, 8).map((mark) => clock(mark.time) + ' ' + mark.label).join('\n') + (group.length > 8 ? '\n… ' + (group.length - 8) + ' more' : '');
		const button = HF.button(group.length > 1 ? (group.length > 99 ? '99+' : String(group.length)) : worst.sign, () => worst.open(group), {class: 'mark-button ' + worst.kind + ' ' + (worst.toneClass || ''), title: words, 'aria-label': words.replace(/\n/g, '; ')});
		button.style.left = group[0].x + 'px';
		return button;
	}

	laneKey(event) {
		const step = {ArrowRight: 1, ArrowLeft: -1}[event.key], buttons = [...this.lane.children];
		if (!step)
			return;
		event.preventDefault();
		const at = buttons.indexOf(document.activeElement), next = buttons[Math.max(0, Math.min(buttons.length - 1, at + step))];
		buttons[at].tabIndex = -1;
		next.tabIndex = 0;
		next.focus();
	}

	point(row) {
		this.at = row;
		this.say();
	}

	/* By keys: the reading is selected, and told. */
	cursor(row) {
		this.point(row);
		if (row < 0)
			this.graph?.clearSelection();
		else {
			this.graph.setSelection(row);
			this.frame.setAttribute('aria-valuenow', String(row));
			this.frame.setAttribute('aria-valuetext', this.words(row).map((part) => part.words).join(', '));
		}
	}

	/* Of the reading in a row; `latest`: what is not known there as it was known last. */
	words(row, latest) {
		const [time] = this.rows[row], value = (i) => {
			for (let r = row; r >= 0; r--)
				if (Number.isFinite(this.rows[r][i + 1]?.[1]) || !latest)
					return this.rows[r][i + 1]?.[1];
			return null;
		};
		return [{words: when(time.getTime() / 1000)}, ...this.shown.lines.map((line, i) => {
			const v = value(i);
			return {words: line.label + ' ' + bytes(v), title: exactBytes(v), tone: line.className};
		})];
	}

	say() {
		const at = this.at >= 0 && this.rows[this.at] ? this.at : this.rows.length - 1, parts = at >= 0 ? this.words(at, at !== this.at) : [];
		if (at !== this.at && parts.length)
			parts[0].words = 'At the end, ' + parts[0].words;
		this.readout.replaceChildren(...parts.map((part) => el('span', {title: part.title, class: part.tone}, part.tone ? el('span', {class: 'swatch'}) : '', part.words)));
	}

	key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.frame)
			return;
		const [from, to] = this.shown.window, width = to - from, last = this.rows.length - 1, at = this.at < 0 ? last : this.at;
		const step = event.shiftKey ? 10 : 1;
		const middle = this.at >= 0 ? this.rows[this.at][0].getTime() / 1000 : (from + to) / 2;
		const moves = {
			ArrowLeft: () => this.cursor(Math.max(0, at - step)), ArrowRight: () => this.cursor(Math.min(last, at + step)), Home: () => this.cursor(0), End: () => this.cursor(last),
			PageUp: () => this.options.onrange(from - width / 2, to - width / 2), PageDown: () => this.options.onrange(from + width / 2, to + width / 2),
			'+': () => this.options.onrange(middle - width / 4, middle + width / 4), '-': () => this.options.onrange(middle - width, middle + width), Escape: () => this.options.onreset(),
		};
		if (!moves[event.key])
			return;
		event.preventDefault();
		event.stopPropagation();
		if (last >= 0 || !/^(Arrow|Home|End)/.test(event.key))
			moves[event.key]();
	}

	/* The moment under the cursor in unix seconds, or null. */
	moment() {
		return this.at >= 0 && this.rows[this.at] ? this.rows[this.at][0].getTime() / 1000 : null;
	}

	done() {
		clearTimeout(this.settling);
		this.unfollow();
		this.observer.disconnect();
		this.graph?.destroy();
	}
}
