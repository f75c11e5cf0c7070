// SPDX-License-Identifier: GPL-2.0-or-later
// A table of sites: all are sorted and filtered, one page of them is in the document.
(function (HF) {
'use strict';

const {button, el, fill} = HF;
const PAGE = 25;

HF.Table = class {
	/*
	 * rows, each with id, stack, user; columns: [{id of the field, label, text: sorts as text, cell(row) → node, or show(row) → a number's text}], the
	 * first for the name; sortBy: an id; caption; filterHelp; words(row): what the filter finds beside frames; remark(row): below the
	 * name; aside(row): beside the stack; onfocus(row): to the flamegraph.
	 */
	constructor(host, table, options) {
		Object.assign(this, options);
		this.table = table;
		this.descending = true;
		this.page = 0;
		for (const row of this.rows)
			row.name = row.user >= 0 ? table.frames[row.stack[row.user]].label : 'no stack';
		this.build(host);
		this.apply();
	}

	build(host) {
		this.filter = el('input', {type: 'search', placeholder: 'Filter: function, file, module, ' + this.filterHelp, 'aria-label': 'Filter sites', spellcheck: 'false', oninput: () => this.refilter()});
		this.count = el('output', {class: 'share'});
		this.head = el('tr');
		this.body = el('tbody');
		this.previous = button('← Previous', () => this.turn(-1));
		this.next = button('Next →', () => this.turn(1));
		this.where = el('span', {class: 'soft', 'aria-live': 'polite'});
		fill(host, el('div', {class: 'toolbar'}, el('div', {class: 'finder'}, this.filter, this.count)),
			el('div', {class: 'scroll'}, el('table', {class: 'sites'}, el('caption', {class: 'sr'}, this.caption), el('thead', {}, this.head), this.body)),
			el('div', {class: 'pager'}, this.previous, this.where, this.next));
	}

	setFilter(words) {
		this.filter.value = words;
		this.refilter();
		this.filter.scrollIntoView({block: 'center'});
		this.filter.focus({preventScroll: true});
	}

	refilter() {
		this.page = 0;
		this.apply();
	}

	apply() {
		const words = this.filter.value.trim().toLowerCase();
		let rows = this.rows.slice();
		if (words) {
			const hit = this.table.matching(words), frames = this.table.frames;
			rows = rows.filter((row) => this.words(row).some((word) => word.toLowerCase().includes(words)) || row.stack.some((i) => hit[frames[i].key] === 1));
		}
		const sign = this.descending ? -1 : 1, by = this.sortBy;
		rows.sort(this.isText(by) ? (a, b) => sign * (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) || a.id - b.id : (a, b) => sign * (a[by] - b[by]) || a.id - b.id);
		this.shown = rows;
		this.count.textContent = (words ? HF.count(rows.length) + ' of ' : '') + HF.some(this.rows.length, 'site');
		this.draw();
	}

	isText(id) {
		return this.columns.find((c) => c.id === id).text;
	}

	sort(id) {
		this.descending = id === this.sortBy ? !this.descending : !this.isText(id);
		this.sortBy = id;
		this.page = 0;
		this.apply();
		this.head.querySelector('[aria-sort] button').focus();
	}

	turn(by) {
		this.page += by;
		this.draw();
	}

	draw() {
		const pages = Math.max(1, Math.ceil(this.shown.length / PAGE));
		this.page = Math.max(0, Math.min(this.page, pages - 1));
		this.head.replaceChildren(...this.columns.map((c) => el('th', {scope: 'col', class: c.show ? 'num' : null, 'aria-sort': c.id === this.sortBy ? (this.descending ? 'descending' : 'ascending') : null},
			button([c.label, el('span', {'aria-hidden': 'true'}, c.id === this.sortBy ? (this.descending ? ' ↓' : ' ↑') : '')], () => this.sort(c.id), {class: 'sorter'}))));
		this.body.replaceChildren(...this.shown.slice(this.page * PAGE, (this.page + 1) * PAGE).map((row) => this.row(row)));
		this.previous.disabled = this.page === 0;
		this.next.disabled = this.page >= pages - 1;
		this.where.textContent = 'Page ' + (this.page + 1) + ' of ' + HF.count(pages);
	}

	row(row) {
		const own = row.user >= 0 ? this.table.frames[row.stack[row.user]] : null, remark = this.remark(row);
		const toggle = button([el('span', {class: 'arrow', 'aria-hidden': 'true'}, '▸'), el('span', {class: 'fn', title: row.name}, HF.clip(row.name, 100))], () => this.expand(row, line, toggle), {class: 'open', 'aria-expanded': 'false'});
		const line = el('tr', {}, el('th', {scope: 'row'}, toggle, own && el('span', {class: 'src'}, HF.clip(HF.place(own), 100)), remark && el('span', {class: 'src'}, remark)),
			this.columns.slice(1).map((c) => c.cell ? el('td', {}, c.cell(row)) : el('td', {class: 'num'}, c.show(row))));
		return line;
	}

	expand(row, line, toggle) {
		const open = toggle.getAttribute('aria-expanded') === 'true';
		toggle.setAttribute('aria-expanded', String(!open));
		if (open)
			line.nextSibling.remove();
		else
			line.after(el('tr', {class: 'expanded'}, el('td', {colspan: this.columns.length}, this.details(row))));
	}

	details(row) {
		const text = row.stack.map((index, i) => HF.frameText(this.table.frames[index], i)).join('\n') + '\n';
		return el('div', {class: 'site-body'}, el('div', {}, el('h4', {}, 'Stack'), row.stack.length ? HF.stackList(row, this.table.frames) : el('p', {class: 'soft'}, 'none recorded'),
			el('div', {class: 'buttons'}, row.stack.length > 0 && [button('In flamegraph', () => this.onfocus(row)), button('Copy stack', () => HF.copy(text))])),
		el('div', {}, this.aside(row)));
	}
};
})(window.HF = window.HF || {});
