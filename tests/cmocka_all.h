/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka, which wants these four headers before it. */
#ifndef HF_TESTS_CMOCKA_ALL_H
#define HF_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
