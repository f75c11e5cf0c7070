/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is it a leak, as a logit: what each witness weighs. Internal to verdict/. Written by scripts/fit-verdict.py
 * (make fit-verdict), from 270 findings of 44 scenarios, early ones too;
 * 160 of them are leaks.
 *
 *	witnesses	findings	leaks	programs	confidence on average
 *	T		104		4	32		0.041
 *	UTA		102		102	28		1.000
 *	A		32		32	6		0.794
 *	TA		22		22	19		0.839
 *	ST		10		0	8		0.094
 */
#ifndef HOLDFAST_VERDICT_LEAK_WEIGHTS_H
#define HOLDFAST_VERDICT_LEAK_WEIGHTS_H

/* none of the following; before the fit -4 */
#define LOGIT_LEAK (-3.45)
/* U: blocks were lost while we looked, and it goes on; before the fit 6 */
#define LOGIT_LOST (6.03)
/* S: times the share of old blocks never freed, lower end; before the fit 2.5 */
#define LOGIT_SURVIVAL (0.93)
/* T: what the site holds at least rises; before the fit 1.5 */
#define LOGIT_TREND (0.30)
/* A: the content of what is lost stays as it is; before the fit 1 */
#define LOGIT_UNCHANGED (4.80)
/* R: r / (r + 1) of r blocks called lost that came back; before the fit -6 */
#define LOGIT_RETURNED (-6.00)

#endif
