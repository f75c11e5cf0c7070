// SPDX-License-Identifier: GPL-2.0-or-later
// Numbers and times as people read them, and exactly for a title. Unknown (null) is a dash.
const {HF} = window;
const MIB = 1048576;
const NONE = '–';

const known = (v) => typeof v === 'number' && Number.isFinite(v);

export const text = (value, limit) => HF.text(value, limit || 300);
export const count = (n) => known(n) ? HF.count(n) : NONE;
export const some = HF.some;
export const bytes = (n) => known(n) ? HF.bytes(n) : NONE;
export const exactBytes = (n) => known(n) ? HF.count(n) + ' bytes' : 'not known';
export const mib = (mb) => bytes(known(mb) ? mb * MIB : null);
export const duration = (s) => known(s) ? HF.duration(s) : NONE;
export const percent = (v, digits) => known(v) ? +v.toFixed(digits === undefined ? 2 : digits) + ' %' : NONE;

/* Of MB/min, as the interface has growth; MB is 1,048,576 bytes. */
export const rate = (mbPerMinute) => !known(mbPerMinute) ? NONE : Math.abs(mbPerMinute) * MIB < 1 ? '0' : HF.rate(mbPerMinute * MIB / 60);

export function exactRate(mbPerMinute, interval) {
	if (!known(mbPerMinute))
		return 'growth not known';
	const range = Array.isArray(interval) && interval.every(known) ? ', between ' + interval.map((v) => +v.toFixed(4)).join(' and ') : '';
	return +mbPerMinute.toFixed(6) + ' MiB/min' + range + ' (' + HF.count(mbPerMinute * MIB / 60) + ' bytes/s)';
}

export const spread = (mbPerMinute, interval) => known(mbPerMinute) && Array.isArray(interval) && interval.every(known) && interval[1] > interval[0] ? HF.spread(mbPerMinute * MIB / 60, interval.map((v) => v * MIB / 60)) : '';

/* Until the limit is reached at today's rate, in seconds; null: no limit, or no growth that is sure. */
export function secondsToLimit(target) {
	const {limit_bytes: limit, rss_bytes: rss, growth_rate_mb_per_min: growth, growth_interval: interval} = target;
	if (!known(limit) || !known(rss) || !(growth > 0) || Array.isArray(interval) && !(interval[0] > 0))
		return null;
	const left = Math.max(0, limit - rss) / (growth * MIB / 60);
	return left < 90 * 86400 ? left : null;
}

/* Times are shown in the reader's zone or in UTC; which is told on each page. */
const KEY = 'holdfast-utc';
let utc = false;
try {
	utc = localStorage.getItem(KEY) === '1';
} catch {} // storage may be forbidden
let formats = {};

export const isUtc = () => utc;

export function setUtc(on) {
	utc = on;
	formats = {};
	try {
		localStorage.setItem(KEY, on ? '1' : '0');
	} catch {}
}

const PARTS = {
	full: {year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit'},
	clock: {hour: '2-digit', minute: '2-digit', second: '2-digit'},
};

function format(name) {
	formats[name] ||= new Intl.DateTimeFormat('sv-SE', {...PARTS[name], hourCycle: 'h23', timeZone: utc ? 'UTC' : undefined});
	return formats[name];
}

/* Milliseconds of an RFC 3339 text or of unix seconds; NaN: neither. */
const millis = (time) => typeof time === 'number' ? time * 1000 : Date.parse(time);

const shown = (name) => (time) => {
	const ms = millis(time);
	return Number.isFinite(ms) ? format(name).format(ms) : time ? text(time, 64) : NONE;
};

export const when = shown('full');
export const shortWhen = (time) => when(time).slice(5, 16);
export const clock = shown('clock');

export function zone() {
	if (utc || Intl.DateTimeFormat().resolvedOptions().timeZone === 'UTC')
		return 'UTC';
	const minutes = -new Date().getTimezoneOffset(), size = Math.abs(minutes);
	const pad = (n) => String(n).padStart(2, '0');
	return Intl.DateTimeFormat().resolvedOptions().timeZone + ' (UTC' + (minutes < 0 ? '−' : '+') + pad(Math.floor(size / 60)) + ':' + pad(size % 60) + ')';
}

/* "3 min ago". */
export function ago(time) {
	const seconds = (Date.now() - millis(time)) / 1000;
	return !Number.isFinite(seconds) ? NONE : seconds < 5 ? 'just now' : HF.duration(seconds).split(' ').slice(0, 2).join(' ') + ' ago';
}
