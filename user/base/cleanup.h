/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cleanup.h - scope guards: what a function acquires, it releases on every way out.
 *
 *	_cleanup_free_ char *line = NULL;		free(line)
 *	_cleanup_close_ int fd = -1;			close(fd) if fd >= 0
 *	_cleanup_fclose_ FILE *f = NULL;		fclose(f) if f
 *	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;	any `x_done(struct x *)`
 *	_cleanup_(module_freep) struct module *m = NULL;	after DEFINE_CLEANUP(struct module *,
 * module_free)
 *
 * A guarded variable must be initialised where it is declared. errno survives the guards.
 * To let a guarded value leave the scope: `return_ptr(p)`, `*ret = no_free_ptr(p)`, `take_fd(&fd)`.
 */
#ifndef HF_BASE_CLEANUP_H
#define HF_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define _cleanup_free_   _cleanup_(cleanup_freep)
#define _cleanup_close_  _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

/* Takes the pointer out of a guarded variable, which becomes NULL; the caller owns it now. */
#define no_free_ptr(p)                      \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#define return_ptr(p) return no_free_ptr(p)

/* Defines `<fn>p(type *)` for _cleanup_(), from `fn(type)` that accepts NULL or is not called with
 * it. */
#define DEFINE_CLEANUP(type, fn)           \
	static inline void fn##p(type *p_) \
	{                                  \
		if (*p_)                   \
			fn(*p_);           \
	}                                  \
	struct hf_swallow_semicolon

/* Takes the descriptor out of a guarded variable, which becomes -1; the caller owns it now. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* The bodies of the guards above; not for direct use. */
static inline void cleanup_freep(void *pointer_to_pointer)
{
	int saved = errno;
	void *pointer;

	/* of any type, so it is copied, not dereferenced */
	memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
	free(pointer);
	errno = saved;
}

static inline void cleanup_closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_fclosep(FILE **file)
{
	int saved = errno;

	if (*file)
		fclose(*file);
	errno = saved;
}

#endif
