/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banned.h - functions nobody here may call; force-included (-include base/banned.h), so a use does
 * not compile.
 *
 * They overflow their buffer, hide errors, or keep state between calls. Use strbuf, snprintf,
 * memcpy with a length, units_parse_*, strtoull, gmtime_r, clock_add_rfc3339 instead. The system's
 * declarations come first, since a declaration of a banned name would otherwise trip over its own
 * macro.
 */
#ifndef HF_BASE_BANNED_H
#define HF_BASE_BANNED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HF_BANNED(name) name##_is_banned_see_base_banned_h

#undef strcpy
#define strcpy(...) HF_BANNED(strcpy)
#undef stpcpy
#define stpcpy(...) HF_BANNED(stpcpy)
#undef strcat
#define strcat(...) HF_BANNED(strcat)
#undef strncpy
#define strncpy(...) HF_BANNED(strncpy)
#undef strncat
#define strncat(...) HF_BANNED(strncat)
#undef sprintf
#define sprintf(...) HF_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) HF_BANNED(vsprintf)
#undef strtok
#define strtok(...) HF_BANNED(strtok)
#undef atoi
#define atoi(...) HF_BANNED(atoi)
#undef atol
#define atol(...) HF_BANNED(atol)
#undef atoll
#define atoll(...) HF_BANNED(atoll)
#undef atof
#define atof(...) HF_BANNED(atof)
#undef gmtime
#define gmtime(...) HF_BANNED(gmtime)
#undef localtime
#define localtime(...) HF_BANNED(localtime)
#undef ctime
#define ctime(...) HF_BANNED(ctime)
#undef asctime
#define asctime(...) HF_BANNED(asctime)

#endif
