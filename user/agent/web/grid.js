// SPDX-License-Identifier: GPL-2.0-or-later
// A table that sorts, and draws a row again only when the row is another.
const {m, HF} = window;
const PAGE = 300, FIRST = 40, MORE = 60;

const Row = {
	onbeforeupdate: (vnode, old) => vnode.attrs.row !== old.attrs.row || vnode.attrs.stamp !== old.attrs.stamp,
	view: ({attrs: {row, columns, rowClass}}) => m('tr', {class: rowClass ? rowClass(row) : ''}, columns.map((c, i) => m(i === 0 ? 'th[scope=row]' : 'td', {class: c.num ? 'num' : c.class || ''}, c.cell(row)))),
};

const compare = (x, y) => typeof x === 'string' || typeof y === 'string' ? String(x ?? '').localeCompare(String(y ?? '')) : (x ?? -Infinity) < (y ?? -Infinity) ? -1 : (x ?? -Infinity) > (y ?? -Infinity) ? 1 : 0;

/*
 * caption; rows; columns [{id, label, title, num, sort(row) → number or text, cell(row)}]; keyOf(row); sort, descending, onsort(id, descending);
 * order(a, b): where no column is chosen; stamp: all rows are drawn again when it changes; empty: words instead;
 * view: what the reader chose to see: when that changes, the first rows are there at once, and the others follow frame by frame.
 */
export function Grid() {
	let pages = 1, memo = {}, view, ready = Infinity, frame = 0;
	const begin = (chosen, count) => {
		if (view !== chosen && count > FIRST) {
			ready = FIRST;
			cancelAnimationFrame(frame);
			frame = requestAnimationFrame(follow);
		}
		view = chosen;
	};
	const follow = () => {
		ready += MORE;
		frame = ready < PAGE * pages ? requestAnimationFrame(follow) : 0;
		if (!frame)
			ready = Infinity;
		m.redraw();
	};
	const sorted = ({rows, columns, sort, descending, order}) => {
		if (memo.rows === rows && memo.sort === sort && memo.descending === descending && memo.order === order)
			return memo.result;
		const column = columns.find((c) => c.id === sort), sign = descending ? -1 : 1;
		const result = column ? rows.slice().sort((a, b) => sign * compare(column.sort(a), column.sort(b)) || (order ? order(a, b) : 0)) : order ? rows.slice().sort(order) : rows;
		memo = {rows, sort, descending, order, result};
		return result;
	};
	const header = (c, {sort, descending, onsort}) => m('th[scope=col]', {class: c.num ? 'num' : '', 'aria-sort': c.id === sort ? (descending ? 'descending' : 'ascending') : false, title: c.title || ''},
		c.sort && onsort ? m('button.sorter[type=button]', {onclick: () => onsort(c.id, c.id === sort ? !descending : Boolean(c.num))}, [c.label, m('span', {'aria-hidden': 'true'}, c.id === sort ? (descending ? ' ↓' : ' ↑') : '')]) : c.label);
	return {
		onremove: () => cancelAnimationFrame(frame),
		view: ({attrs}) => {
			const rows = sorted(attrs);
			begin([attrs.view, attrs.sort, attrs.descending].join(), rows.length);
			const shown = rows.slice(0, Math.min(pages * PAGE, ready)), left = Math.max(0, rows.length - pages * PAGE);
			if (!rows.length)
				return m('p.empty', attrs.empty);
			return m('.scroll', {tabindex: 0, role: 'region', 'aria-label': attrs.caption}, [
				m('table', {class: attrs.class || ''}, [m('caption.sr', attrs.caption), m('thead', m('tr', attrs.columns.map((c) => header(c, attrs)))),
					m('tbody', shown.map((row) => m(Row, {key: attrs.keyOf(row), row, columns: attrs.columns, stamp: attrs.stamp, rowClass: attrs.rowClass})))]),
				left > 0 ? m('.pager', m('button[type=button]', {onclick: () => pages++}, 'Show ' + Math.min(left, PAGE) + ' more of ' + HF.count(left))) : null,
			]);
		},
	};
}

/* Keeps the row objects that did not change, so that nothing of them is drawn again. */
export function keepEqual(before, after, keyOf) {
	const known = new Map((before || []).map((row) => [keyOf(row), row]));
	return [...new Map(after.map((row) => [keyOf(row), row])).values()].map((row) => { // a list that changes between two pages may tell one twice
		const old = known.get(keyOf(row));
		return old && JSON.stringify(old) === JSON.stringify(row) ? old : row;
	});
}
