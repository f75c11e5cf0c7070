// SPDX-License-Identifier: GPL-2.0-or-later
// Words, numbers and elements. Text from a target enters the page here only, always as text nodes.
(function (HF) {
'use strict';

const MAX_TEXT = 2048;
// Controls, and the marks that turn the reading direction: shown as escapes, so a name cannot pose as another.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const escapeOne = (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0');

/* Any value as harmless one-line text; objects count as absent. */
HF.text = function (value, limit) {
	if (value === null || value === undefined || typeof value === 'object')
		return '';
	return HF.clip(String(value), limit || MAX_TEXT).replace(UNSAFE, escapeOne);
};

/* A finite number, or the fallback (0). */
HF.num = function (value, fallback) {
	return typeof value === 'number' && Number.isFinite(value) ? value : fallback === undefined ? 0 : fallback;
};

HF.list = (value) => Array.isArray(value) ? value : [];
HF.map = (value) => value && typeof value === 'object' && !Array.isArray(value) ? value : {};

/* el('td', {class: 'num', onclick: f}, 'text', node…): strings become text nodes, null is left out. */
HF.el = function (tag, attributes, ...children) {
	const node = document.createElement(tag);
	return HF.fill(HF.set(node, attributes), ...children);
};

HF.button = (label, onclick, attributes) => HF.el('button', {type: 'button', onclick, ...attributes}, label);

HF.svg = function (tag, attributes, ...children) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
	return HF.fill(HF.set(node, attributes), ...children);
};

HF.set = function (node, attributes) {
	for (const [name, value] of Object.entries(attributes || {})) {
		if (value === null || value === undefined || value === false)
			continue;
		if (typeof value === 'function')
			node.addEventListener(name.slice(2), value);
		else
			node.setAttribute(name, value === true ? '' : value);
	}
	return node;
};

HF.fill = function (node, ...children) {
	for (const child of children.flat(3))
		if (child !== null && child !== undefined && child !== false)
			node.append(child);
	return node;
};

HF.byId = (id) => document.getElementById(id);

const digits = (v) => v >= 100 ? 0 : v >= 10 ? 1 : 2;

HF.count = function (n) {
	return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ',');
};

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const unitOf = (n) => Math.max(0, UNITS.findLastIndex((unit, i) => Math.abs(n) >= 1023.5 * 1024 ** (i - 1)));

/* "1 block", "2 blocks". */
HF.some = (n, word) => HF.count(n) + ' ' + word + (Math.round(n) === 1 ? '' : 's');

HF.bytes = function (n) {
	const unit = unitOf(n), v = Math.abs(n) / 1024 ** unit;
	return (n < 0 ? '−' : '') + v.toFixed(unit ? digits(v) : v < 10 && v % 1 ? 1 : 0) + ' ' + UNITS[unit];
};

HF.change = (n) => (n > 0 ? '+' : '') + HF.bytes(n);

/* Growth is told per minute: "+4.21 MiB/min". The argument is bytes per second. */
HF.rate = (bytesPerSecond) => bytesPerSecond ? HF.change(bytesPerSecond * 60) + '/min' : 'no growth';

/* In the rate's own unit: "±0.30" where the interval is even, else "3.1 to 9.0". */
HF.spread = function (rate, interval) {
	if (!interval)
		return '';
	const [lo, hi] = interval;
	const down = rate - lo, up = hi - rate;
	if (!rate && lo === -hi)
		return '±' + HF.bytes(hi * 60) + '/min';
	if (!rate)
		return HF.rate(lo) + ' to ' + HF.rate(hi);
	const unit = 1024 ** unitOf(rate * 60) / 60;
	const show = (v) => (v / unit).toFixed(digits(Math.abs(rate) / unit)).replace('-', '−');
	return down >= 0 && up >= 0 && Math.abs(up - down) <= 0.1 * (up + down) ? '±' + show((hi - lo) / 2) : show(lo) + ' to ' + show(hi);
};

HF.percent = function (part, whole) {
	if (!(whole > 0))
		return '–';
	const p = 100 * part / whole;
	return p > 0 && p < 0.01 ? '<0.01 %' : (p >= 99.995 ? '100' : p.toFixed(p >= 10 ? 1 : 2)) + ' %';
};

HF.duration = function (seconds) {
	const s = Math.abs(seconds);
	if (s < 1)
		return s >= 1e-3 ? +(s * 1e3).toPrecision(3) + ' ms' : s >= 1e-6 ? +(s * 1e6).toPrecision(3) + ' µs' : Math.round(s * 1e9) + ' ns';
	if (s < 60)
		return +s.toFixed(s < 10 ? 1 : 0) + ' s';
	if (s < 3600)
		return Math.floor(s / 60) + ' min' + (s % 60 >= 1 ? ' ' + Math.floor(s % 60) + ' s' : '');
	if (s < 172800)
		return Math.floor(s / 3600) + ' h' + (s % 3600 >= 60 ? ' ' + Math.floor(s % 3600 / 60) + ' min' : '');
	return HF.count(s / 86400) + ' days';
};

/* An RFC 3339 time as "2026-03-01 03:12:09 UTC" where it parses, else as it came. */
HF.when = function (value) {
	const t = Date.parse(value);
	return Number.isFinite(t) ? new Date(t).toISOString().replace('T', ' ').replace(/\.\d+Z$|Z$/, ' UTC') : HF.text(value, 64);
};

HF.clip = (s, max) => s.length > max ? s.slice(0, max - 1) + '…' : s;
HF.basename = (path) => path.slice(path.lastIndexOf('/') + 1);

/* FNV-1a: the same module has the same colour in every report. */
HF.hash = function (s) {
	let h = 0x811c9dc5;
	for (let i = 0; i < s.length; i++)
		h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
	return (h ^ h >>> 15) >>> 0;
};

/* Says it to a screen reader; the last of several quick messages wins. */
let pending = 0;
HF.announce = function (message) {
	clearTimeout(pending);
	pending = setTimeout(() => { HF.byId('live').textContent = message; }, 120);
};

HF.copy = async function (text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		const area = HF.el('textarea', {class: 'sr'});
		area.value = text;
		document.body.append(area);
		area.select();
		document.execCommand('copy');
		area.remove();
	}
	HF.announce('Copied');
};
})(window.HF = window.HF || {});
