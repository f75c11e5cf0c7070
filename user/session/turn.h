/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns among processes of ours that look at heaps: a look wants memory and a CPU for a moment, so of many sessions only
 * TURNS_AT_ONCE do it at the same time. Two, so that one heap that takes its time does not keep all others waiting.
 *
 * They share a descriptor (of a memfd; 0: there are no turns, all may). What is held are locks of the process: they end with it,
 * however it ends. Nobody may close the descriptor meanwhile. A turn that is given back rests for as long as its look was dear, so
 * that the work of all of them together has a bound, however many they are.
 */
#ifndef HOLDFAST_SESSION_TURN_H
#define HOLDFAST_SESSION_TURN_H

#include <stdbool.h>
#include <stdint.h>

#define TURNS_AT_ONCE 2
/* None rests for longer: what is dear is still looked at now and then. */
#define TURN_REST_MAX_NS UINT64_C(120000000000)

/* Without waiting. *@held: 0, and then the caller's to give back. false: others have them all. */
bool turn_take(int fd, int *held);
/* It rests for @rest_ns. Fine where none is held. */
void turn_give(int fd, int *held, uint64_t rest_ns);

#endif
