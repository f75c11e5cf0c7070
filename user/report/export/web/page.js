// SPDX-License-Identifier: GPL-2.0-or-later
// Unpacks the data and has HF.show(data) show them, which gives back the flamegraph's panel; theme and keys.
(function (HF) {
'use strict';

/* Dark or light: the system's choice until the button is pressed; paper is light, and shows the stacks of the findings. */
function themeSwitch(panel) {
	const system = matchMedia('(prefers-color-scheme: dark)');
	const button = HF.byId('theme');
	let chosen = null;
	const apply = (dark) => {
		document.documentElement.dataset.theme = dark ? 'dark' : 'light';
		button.textContent = dark ? 'Light' : 'Dark';
		panel.setTheme(dark);
	};
	const current = () => chosen === null ? system.matches : chosen;
	button.addEventListener('click', () => apply(chosen = !current()));
	system.addEventListener('change', () => apply(current()));
	window.addEventListener('beforeprint', () => {
		document.querySelectorAll('.finding details').forEach((d) => { d.open = true; });
		apply(false);
	});
	window.addEventListener('afterprint', () => apply(current()));
	apply(current());
}

function pageKeys(panel) {
	document.addEventListener('keydown', (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName))
			return;
		if (e.key === '/') {
			e.preventDefault();
			panel.search.focus();
		} else if (e.key === 'n' || e.key === 'N')
			panel.step(e.key === 'n' ? 1 : -1);
	});
}

document.addEventListener('DOMContentLoaded', async () => {
	const status = HF.byId('status');
	try {
		const panel = HF.show(await HF.loadData(HF.byId('hf-data')));
		HF.byId('page').hidden = false;
		themeSwitch(panel);
		pageKeys(panel);
		status.remove();
	} catch (e) {
		console.error(e);
		status.className = 'status failed';
		status.textContent = 'The page cannot be shown. ' + HF.text(e.message);
		document.documentElement.dataset.failed = 'true';
	}
	document.documentElement.dataset.ready = 'true';
});
})(window.HF = window.HF || {});
