/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mailbox.h - the only way between threads: a bounded queue of messages with an eventfd.
 *
 * Many threads may post, one takes. A message carries the ownership of what it points to. A full
 * mailbox refuses and counts; nobody ever waits for room. The only user of mutexes in holdfast; the
 * lock is held for a few stores.
 */
#ifndef HF_BASE_MAILBOX_H
#define HF_BASE_MAILBOX_H

#include <stddef.h>
#include <stdint.h>

struct mailbox;

/* `capacity` messages (> 0). */
int mailbox_new(size_t capacity, struct mailbox **ret_mailbox);
/* No thread may use it any more. `free_message` (may be NULL) is called on messages not taken. */
void mailbox_free(struct mailbox *m, void (*free_message)(void *));

/* 0: the taker owns `message` now. -ENOBUFS: full, counted; -EPIPE: closed; the caller still owns
 * it. Not NULL. */
int mailbox_post(struct mailbox *m, void *message);
/* The oldest message, now the caller's; NULL if empty. Never blocks. */
void *mailbox_take(struct mailbox *m);
/* As mailbox_take(), but waits up to timeout_ns. NULL after that, or at once if it is closed and
 * empty. */
void *mailbox_wait(struct mailbox *m, uint64_t timeout_ns);
/* Readable (for loop_add_fd, EPOLLIN) while messages are waiting or the mailbox is closed. */
int mailbox_fd(const struct mailbox *m);
/* No more posts; the taker still gets what is in it. */
void mailbox_close(struct mailbox *m);
/* How many posts were refused because it was full. */
uint64_t mailbox_refused_count(struct mailbox *m);

#endif
