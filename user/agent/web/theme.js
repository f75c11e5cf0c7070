// SPDX-License-Identifier: GPL-2.0-or-later
// Dark or light, before anything is drawn: the system's choice until the reader makes one. Not a module, so that it does not wait.
(function (HF) {
'use strict';

const KEY = 'holdfast-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();
let systemDark = system.matches; // read once: reading it before its event comes may swallow that
let chosen = null;
try {
	chosen = localStorage.getItem(KEY);
} catch {} // storage may be forbidden; then the choice lasts as long as the page

const isDark = () => chosen ? chosen === 'dark' : systemDark;

function apply() {
	document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
	listeners.forEach((listener) => listener(isDark()));
}

HF.theme = {
	isDark,
	toggle() {
		chosen = isDark() ? 'light' : 'dark';
		try {
			localStorage.setItem(KEY, chosen);
		} catch {}
		apply();
	},
	/* Tells now and at each change; gives back what ends that. */
	follow(listener) {
		listeners.add(listener);
		listener(isDark());
		return () => listeners.delete(listener);
	},
};
system.addEventListener('change', (e) => {
	systemDark = e.matches;
	apply();
});
apply();
})(window.HF = window.HF || {});
