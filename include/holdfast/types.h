/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/* What every shared header needs, whichever compiler reads it: gcc, g++ or clang -target bpf. */
#ifndef HOLDFAST_TYPES_H
#define HOLDFAST_TYPES_H

#include <linux/types.h>

#ifdef __cplusplus
#define HF_STATIC_ASSERT static_assert
#else
#define HF_STATIC_ASSERT _Static_assert
#endif

#endif
