// SPDX-License-Identifier: GPL-2.0-or-later
// The flamegraph on a canvas: drawing, zoom, keys. Knows a FlameTree and the functions' names, nothing of the page around it.
(function (HF) {
'use strict';

const ROW = 20;
const MIN_WIDTH = 0.6;
const TEXT_WIDTH = 28;
const PREFIX = {inlined: '↳ ', python: 'py ', kernel: 'k ', jit: 'jit ', unknown: '? '};
const THEMES = {
	light: {text: '#1c2128', rest: '#c3cad3', hit: '#f5a300', hitText: '#1c1300', line: '#0b57d0', hover: '#1c2128'},
	dark: {text: '#e6e9ee', rest: '#4a525e', hit: '#f0b429', hitText: '#1c1300', line: '#8ab4f8', hover: '#ffffff'},
};

/*
 * new HF.Flame(host, {functions, painter(dark), sign(node), onselect(node), onzoom(node), onhover(node, event)}), then show(tree, total in words).
 * `functions[key]` has label, module, kind; painter() gives a function from node to colour; sign() what stands before a label.
 * Nodes are numbers of the tree; 0 is everything.
 */
HF.Flame = class {
	constructor(host, options) {
		this.options = options;
		this.tree = null;
		this.zoomed = this.selected = 0;
		this.hovered = -1;
		this.history = [];
		this.matches = null;
		this.upward = this.dark = false;
		this.lastDrawMs = 0;
		this.build(host);
		this.listen();
	}

	build(host) {
		this.canvas = HF.el('canvas', {class: 'flame-canvas', tabindex: 0, role: 'application', 'aria-roledescription': 'flamegraph', 'aria-describedby': 'flame-keys'});
		this.overlay = HF.el('canvas', {class: 'flame-overlay', 'aria-hidden': 'true'});
		this.space = HF.el('div', {class: 'flame-space'});
		this.scroller = HF.el('div', {class: 'flame-scroll'}, HF.el('div', {class: 'flame-pin'}, this.canvas, this.overlay), this.space);
		host.append(this.scroller);
	}

	listen() {
		const node = (e) => this.nodeUnder(e);
		this.scroller.addEventListener('scroll', () => this.redraw());
		this.canvas.addEventListener('pointermove', (e) => this.hover(node(e), e));
		this.canvas.addEventListener('pointerleave', (e) => this.hover(-1, e));
		this.canvas.addEventListener('click', (e) => {
			const n = node(e);
			if (n >= 0)
				this.zoom(n);
		});
		this.canvas.addEventListener('keydown', (e) => this.key(e));
		new ResizeObserver(() => this.resize()).observe(this.scroller);
	}

	/* Shows a weighed tree; zoom and selection are kept if the tree is the same one and still has a value there. */
	show(tree, total) {
		const same = tree === this.tree;
		this.tree = tree;
		this.totalText = total;
		this.hovered = -1;
		if (!same || !(tree.total[this.zoomed] > 0)) {
			this.history = [];
			this.zoomed = 0;
			if (!same || !(tree.total[this.selected] > 0))
				this.selected = 0;
		}
		this.resize();
		this.options.onzoom(this.zoomed);
		this.select(this.selected, true);
	}

	setTheme(dark) {
		this.dark = dark;
		this.paint = this.options.painter(dark);
		this.redraw();
	}

	setMatches(matches) {
		this.matches = matches;
		this.redraw();
	}

	setUpward(upward) {
		this.upward = upward;
		this.resize();
		this.scroller.scrollTop = upward ? this.space.offsetHeight : 0;
	}

	resize() {
		if (!this.tree)
			return;
		const rows = this.tree.bottom[this.zoomed] + 1;
		this.space.style.height = rows * ROW + 'px';
		const style = getComputedStyle(this.canvas);
		this.font = '12px ' + style.fontFamily;
		this.width = this.scroller.clientWidth;
		this.height = Math.min(this.scroller.clientHeight, rows * ROW) || ROW;
		const ratio = window.devicePixelRatio || 1;
		for (const canvas of [this.canvas, this.overlay]) {
			canvas.width = Math.round(this.width * ratio);
			canvas.height = Math.round(this.height * ratio);
			canvas.style.width = this.width + 'px';
			canvas.style.height = this.height + 'px';
			canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
		}
		this.draw();
	}

	/* Once per frame, however often it is asked for. */
	redraw() {
		if (!this.pending)
			this.pending = requestAnimationFrame(() => this.draw());
	}

	/* Where a row begins; `scrolled` is read once per drawing, for reading it makes the browser lay out the page. */
	top(depth) {
		const row = this.upward ? this.tree.bottom[this.zoomed] - depth : depth;
		return row * ROW - this.scrolled;
	}

	draw() {
		cancelAnimationFrame(this.pending);
		this.pending = 0;
		if (!this.tree || !this.paint)
			return;
		const start = performance.now();
		this.boxes = 0;
		this.scrolled = this.scroller.scrollTop;
		this.theme = this.dark ? THEMES.dark : THEMES.light;
		this.context = this.canvas.getContext('2d');
		this.context.clearRect(0, 0, this.width, this.height);
		this.context.font = this.font;
		this.context.textBaseline = 'middle';
		this.widths = this.widths || new Map();
		if (this.tree.total[this.zoomed] > 0) {
			for (const n of [0, ...this.tree.path(this.zoomed)].slice(0, -1))
				this.paintBox(n, 0, this.width, true);
			this.paintBelow(this.zoomed);
		}
		this.lastDrawMs = performance.now() - start;
		this.drawMarks();
	}

	/* Everything below and with `top`; what is too narrow to see becomes one grey strip, so no width is left blank. */
	paintBelow(top) {
		const {x, total, self, first, kids, depth} = this.tree;
		const scale = this.width / total[top], origin = x[top];
		const stack = [top];
		while (stack.length) {
			const n = stack.pop();
			this.paintBox(n, (x[n] - origin) * scale, total[n] * scale, false);
			const y = this.top(depth[n] + 1);
			if (this.upward ? y < -ROW : y > this.height)
				continue;
			for (let k = first[n]; k < first[n + 1]; k++) {
				const kid = kids[k];
				if (total[kid] * scale < MIN_WIDTH) {
					this.paintRest((x[kid] - origin) * scale, (x[n] + total[n] - self[n] - x[kid]) * scale, y);
					break;
				}
				stack.push(kid);
			}
		}
	}

	paintRest(x, width, y) {
		if (width < 0.2)
			return;
		this.context.fillStyle = this.theme.rest;
		this.context.fillRect(x, y, width, ROW - 1);
	}

	paintBox(n, x, width, faded) {
		const y = this.top(this.tree.depth[n]);
		if (y <= -ROW || y >= this.height)
			return;
		const c = this.context;
		const hit = this.matches !== null && n > 0 && this.matches[this.tree.key[n]] === 1;
		c.globalAlpha = faded ? 0.5 : this.matches !== null && !hit ? 0.45 : 1;
		c.fillStyle = hit ? this.theme.hit : this.paint(n);
		c.fillRect(x, y, width > 3 ? width - 1 : width, ROW - 1);
		this.boxes++;
		if (width > TEXT_WIDTH)
			this.paintText(n, x, y, width - 10, hit ? this.theme.hitText : this.theme.text);
		c.globalAlpha = 1;
	}

	paintText(n, x, y, room, colour) {
		const label = this.label(n);
		let width = this.widths.get(label);
		if (width === undefined) {
			width = this.context.measureText(label).width;
			this.widths.set(label, width);
		}
		const fits = width <= room;
		const length = fits ? label.length : Math.floor(label.length * room / width) - 1;
		if (length < 2)
			return;
		if (this.context.globalAlpha < 1)
			this.context.globalAlpha = 0.8;
		this.context.fillStyle = colour;
		this.context.fillText(fits ? label : label.slice(0, length) + '…', x + 4, y + ROW / 2, room + 4);
	}

	label(n) {
		if (n === 0)
			return this.options.sign(0) + 'all · ' + this.totalText;
		const f = this.options.functions[this.tree.key[n]];
		const folds = this.tree.folds.get(n);
		return this.options.sign(n) + (PREFIX[f.kind] || '') + f.label + (folds ? ' ×' + folds : '');
	}

	/* Outlines of the hovered and the selected box, on a canvas of their own. */
	drawMarks() {
		const c = this.overlay.getContext('2d');
		c.clearRect(0, 0, this.width, this.height);
		if (!this.theme || !(this.tree.total[this.zoomed] > 0))
			return;
		const mark = (n, colour, thick) => {
			const box = this.box(n);
			if (!box)
				return;
			c.strokeStyle = colour;
			c.lineWidth = thick;
			c.strokeRect(box.x + thick / 2, box.y + thick / 2, Math.max(2, box.width - 1 - thick), ROW - 1 - thick);
		};
		if (this.hovered >= 0)
			mark(this.hovered, this.theme.hover, 1);
		mark(this.selected, this.theme.line, 2);
	}

	/* Where a node is drawn, or null: outside the zoomed part. */
	box(n) {
		const {x, total, depth} = this.tree;
		const y = this.top(depth[n]);
		if (this.tree.within(this.zoomed, n))
			return {x: 0, y, width: this.width};
		if (!this.tree.within(n, this.zoomed))
			return null;
		const scale = this.width / total[this.zoomed];
		return {x: (x[n] - x[this.zoomed]) * scale, y, width: total[n] * scale};
	}

	nodeUnder(event) {
		const tree = this.tree;
		if (!tree || !(tree.total[this.zoomed] > 0))
			return -1;
		const area = this.canvas.getBoundingClientRect();
		const row = Math.floor((event.clientY - area.top + this.scroller.scrollTop) / ROW);
		const depth = this.upward ? tree.bottom[this.zoomed] - row : row;
		if (depth < tree.depth[this.zoomed])
			return depth < 0 ? -1 : depth === 0 ? 0 : tree.path(this.zoomed)[depth - 1];
		const x = tree.x[this.zoomed] + (event.clientX - area.left) / this.width * tree.total[this.zoomed];
		return tree.nodeAt(this.zoomed, x, depth);
	}

	hover(n, event) {
		if (n !== this.hovered) {
			this.hovered = n;
			this.canvas.style.cursor = n >= 0 ? 'pointer' : '';
			if (this.tree)
				this.drawMarks();
		}
		this.options.onhover(n, event);
	}

	select(n, quiet) {
		this.selected = n;
		if (!quiet)
			this.reveal(n);
		this.drawMarks();
		this.options.onselect(n, quiet);
	}

	reveal(n) {
		this.scrolled = this.scroller.scrollTop;
		const y = this.top(this.tree.depth[n]);
		if (y < 0)
			this.scroller.scrollTop += y;
		else if (y > this.height - ROW)
			this.scroller.scrollTop += y - this.height + ROW;
	}

	/* Makes `n` as wide as the graph, and selects it (or `selected` below it). */
	zoom(n, selected) {
		if (!(this.tree.total[n] > 0))
			return;
		if (n !== this.zoomed) {
			this.history.push(this.zoomed);
			this.goTo(n);
		}
		this.select(selected === undefined ? n : selected);
	}

	goTo(n) {
		this.zoomed = n;
		this.hovered = -1;
		this.resize();
		this.options.onzoom(n);
	}

	back() {
		if (!this.history.length)
			return;
		this.goTo(this.history.pop());
		this.select(this.selected);
	}

	reset() {
		this.history = [];
		this.goTo(0);
		this.select(0);
	}

	key(event) {
		if (!this.tree || event.ctrlKey || event.metaKey || event.altKey)
			return;
		const down = this.upward ? 'ArrowUp' : 'ArrowDown', up = this.upward ? 'ArrowDown' : 'ArrowUp';
		const {tree, selected} = this;
		const moves = {
			[down]: () => this.move(tree.first[selected] < tree.first[selected + 1] ? tree.kids[tree.first[selected]] : -1),
			[up]: () => this.move(selected > 0 ? tree.parent[selected] : -1),
			ArrowRight: () => this.move(tree.neighbour(selected, 1, 0)),
			ArrowLeft: () => this.move(tree.neighbour(selected, -1, 0)),
			Enter: () => this.zoom(selected), Escape: () => this.reset(), Backspace: () => this.back(),
		};
		if (!moves[event.key])
			return;
		event.preventDefault();
		moves[event.key]();
	}

	/* Selects a box; where it lies outside the zoomed part, zooms out just far enough. */
	move(n) {
		if (n < 0 || !(this.tree.total[n] > 0))
			return;
		let top = this.zoomed;
		while (!this.tree.within(n, top) && !this.tree.within(top, n))
			top = this.tree.parent[top];
		if (top !== this.zoomed)
			this.goTo(top);
		this.select(n);
	}
};
})(window.HF = window.HF || {});
